# Sampul: one Makefile, not recursive. What people call comes first.
#
#   make              build sampul-milter and sampulctl
#   make demo         (root) install what is missing, build, show the main job
#   make check        install what the tests need, build, run all tests
#   make lint         what static analysis finds, nothing when well
#   make bench        (root) one table of figures, measured side by side
#   make install      PREFIX, DESTDIR, SYSCONFDIR, ... are respected
#   make fuzz         fuzzers for FUZZ_TIME seconds each
#   make deb          a Debian package, in build/deb
#
# SANITIZE=address,undefined or SANITIZE=thread builds and checks in a
# directory of its own; CAGE=open (for valgrind) likewise, without the filters
# of system calls and files.

PREFIX		?= /usr/local
SBINDIR		?= $(PREFIX)/sbin
MANDIR		?= $(PREFIX)/share/man
SYSCONFDIR	?= /etc
DOCDIR		?= $(PREFIX)/share/doc/sampul
DESTDIR		?=
INSTALL		?= install
PKG_CONFIG	?= pkg-config
CC		?= cc
AR		?= ar
SANITIZE	?=
CAGE		?=
FUZZ_TIME	?= 600
FUZZ_CC		?= clang

comma		:= ,
B		:= build$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))$(if $(CAGE),-open)

all: $(B)/sampul-milter $(B)/sampulctl

demo:
	@tests/demo/demo

check:
	@tests/check $(if $(SANITIZE),SANITIZE=$(SANITIZE))

bench:
	@tests/bench/bench

soak:
	@tests/soak/soak

lint:
	@tests/lint

deb:
	@contrib/debian/build

clean:
	rm -rf build build-*

.PHONY: all demo check bench soak lint deb clean install uninstall fuzz programs tests

# ------------------------------------------------------------- machinery ---

need = $(if $(shell $(PKG_CONFIG) --exists $(1) && echo yes),,\
	$(error $(1) is missing: install $(2), or run "make demo" as root))

miss = $(if $(shell $(PKG_CONFIG) --exists $(1) && echo yes),,\
	$(info $(1) is missing: $(2)))

ifeq ($(filter clean uninstall demo check bench soak lint deb,$(MAKECMDGOALS)),)
$(call need,libcrypto,libssl-dev)
$(call need,libconfig,libconfig-dev)
ifeq ($(wildcard /usr/include/libmilter/mfapi.h /usr/local/include/libmilter/mfapi.h),)
$(error libmilter is missing: install libmilter-dev, or run "make demo" as root)
endif
$(call miss,libseccomp,processes keep system calls that they do not need)
$(call miss,libcurl,no message can be sent apart (submit.server))
endif

CRYPTO_CFLAGS	:= $(shell $(PKG_CONFIG) --cflags libcrypto 2>/dev/null)
CRYPTO_LIBS	:= $(shell $(PKG_CONFIG) --libs libcrypto 2>/dev/null)
CONFIG_CFLAGS	:= $(shell $(PKG_CONFIG) --cflags libconfig 2>/dev/null)
CONFIG_LIBS	:= $(shell $(PKG_CONFIG) --libs libconfig 2>/dev/null)
SECCOMP_LIBS	:= $(shell $(PKG_CONFIG) --libs libseccomp 2>/dev/null)
SECCOMP_CFLAGS	:= $(if $(SECCOMP_LIBS),-DHAVE_SECCOMP $(shell \
		   $(PKG_CONFIG) --cflags libseccomp))
CURL_CFLAGS	:= $(shell $(PKG_CONFIG) --exists libcurl 2>/dev/null && \
		   echo -DHAVE_CURL && $(PKG_CONFIG) --cflags libcurl)
CMOCKA_CFLAGS	= $(shell $(PKG_CONFIG) --cflags cmocka 2>/dev/null)
CMOCKA_LIBS	= $(shell $(PKG_CONFIG) --libs cmocka 2>/dev/null)
MILTER_LIBS	?= -lmilter

WARN		:= -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion \
		   -Wstrict-prototypes -Wmissing-prototypes \
		   -Wold-style-definition -Wpointer-arith -Wwrite-strings \
		   -Wcast-qual -Wformat=2 -Wvla -Wundef
HARDEN		:= -fstack-protector-strong -fstack-clash-protection -fPIE \
		   $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2) \
		   $(if $(filter x86_64-%,$(shell $(CC) -dumpmachine)),-fcf-protection)
HARDEN_LD	:= -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
CFLAGS		?= -O2 -g
S_FLAGS		:= $(if $(SANITIZE),-fsanitize=$(SANITIZE) \
		   -fno-sanitize-recover=all -fno-omit-frame-pointer)
ALL_CFLAGS	= -std=c11 -D_GNU_SOURCE -DOPENSSL_NO_DEPRECATED \
		  -DSAMPUL_SYSCONFDIR='"$(SYSCONFDIR)"' \
		  $(WARN) $(HARDEN) $(CRYPTO_CFLAGS) $(CONFIG_CFLAGS) \
		  $(SECCOMP_CFLAGS) $(CURL_CFLAGS) $(if $(CAGE),-DSAMPUL_NO_CAGE) \
		  $(CPPFLAGS) $(CFLAGS) $(S_FLAGS)
ALL_LDFLAGS	= $(HARDEN_LD) $(LDFLAGS) $(S_FLAGS)

SMIME_SRC	:= $(wildcard smime/*.c)
MAIN_SRC	:= milter/main.c milter/ctl/main.c
CORE_SRC	:= $(filter-out $(MAIN_SRC),$(wildcard milter/*.c \
		   milter/keys/*.c milter/ctl/*.c))
UNIT_SRC	:= $(wildcard tests/unit/test_*.c)
HELP_SRC	:= $(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c))
obj		= $(patsubst %.c,$(B)/obj/%.o,$(1))
SMIME_OBJ	:= $(call obj,$(SMIME_SRC))
CORE_OBJ	:= $(call obj,$(CORE_SRC))
UNIT_BIN	:= $(patsubst tests/unit/%.c,$(B)/tests/%,$(UNIT_SRC))

programs: $(B)/sampul-milter $(B)/sampulctl
tests: $(UNIT_BIN)

$(B)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(if $(findstring tests/,$<),$(CMOCKA_CFLAGS)) \
	    -MMD -MP -c -o $@ $<

# An archive is also made anew when a source has gone: NAME.list changes then.
%.list: force
	@mkdir -p $(@D)
	@echo '$(MEMBERS)' | cmp -s - $@ || echo '$(MEMBERS)' >$@
force:
.PHONY: force
define archive
@rm -f $@
$(AR) rcs $@ $(filter %.o,$^)
endef

$(B)/libsmime.list: MEMBERS = $(SMIME_OBJ)
$(B)/libcore.list: MEMBERS = $(CORE_OBJ)
$(B)/libtest.list: MEMBERS = $(call obj,$(HELP_SRC))

$(B)/libsmime.a: $(SMIME_OBJ) $(B)/libsmime.list
	$(archive)
$(B)/libcore.a: $(CORE_OBJ) $(B)/libcore.list
	$(archive)
$(B)/libtest.a: $(call obj,$(HELP_SRC)) $(B)/libtest.list
	$(archive)

$(B)/sampul-milter: $(B)/obj/milter/main.o $(B)/libcore.a $(B)/libsmime.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(MILTER_LIBS) $(CONFIG_LIBS) \
	    $(CRYPTO_LIBS) $(SECCOMP_LIBS) -pthread

$(B)/sampulctl: $(B)/obj/milter/ctl/main.o $(B)/libcore.a $(B)/libsmime.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(CONFIG_LIBS) $(CRYPTO_LIBS) \
	    $(SECCOMP_LIBS) -pthread

# A test may define a function of the product: its own comes first, and the
# archive's member is then not taken. libtest.a stands before libmilter.
$(B)/tests/%: $(B)/obj/tests/unit/%.o $(B)/libtest.a $(B)/libcore.a $(B)/libsmime.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $< $(B)/libtest.a $(B)/libcore.a \
	    $(B)/libtest.a $(B)/libsmime.a $(CMOCKA_LIBS) $(CONFIG_LIBS) \
	    $(CRYPTO_LIBS) $(SECCOMP_LIBS) -pthread

# What gcc's analyzer finds in each file, for tests/lint; kept until the file,
# or what it includes, changes.
GCC		?= gcc
ANALYZED	:= $(patsubst %.c,build/analyzed/%.txt,$(SMIME_SRC) \
		   $(CORE_SRC) $(MAIN_SRC))
analyze: $(ANALYZED)
.PHONY: analyze
build/analyzed/%.txt: %.c Makefile
	@mkdir -p $(@D)
	@LC_ALL=C $(GCC) $(ALL_CFLAGS) -U_FORTIFY_SOURCE -O0 -fanalyzer \
	    -MMD -MP -MT $@ -MF $(@:.txt=.d) -c -o /dev/null $< 2>$@.new || \
	    { cat $@.new; exit 1; }
	@mv $@.new $@

# Fuzzers: all sources again, by clang, with coverage.
FUZZ_SRC	:= $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN	:= $(patsubst tests/fuzz/%.c,build-fuzz/%,$(FUZZ_SRC))
FUZZ_HELP	:= $(filter-out $(FUZZ_SRC),$(wildcard tests/fuzz/*.c))
FUZZ_FLAGS	:= -O1 -g -std=c11 -D_GNU_SOURCE -DOPENSSL_NO_DEPRECATED \
		   -DSAMPUL_SYSCONFDIR='"/etc"' \
		   -fno-omit-frame-pointer -fsanitize=address,undefined \
		   -fno-sanitize-recover=undefined
fuzzobj		= $(patsubst %.c,build-fuzz/obj/%.o,$(1))
fuzzers: $(FUZZ_BIN)
.PHONY: fuzzers
build-fuzz/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) $(CRYPTO_CFLAGS) $(CONFIG_CFLAGS) \
	    -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<
build-fuzz/libfuzzed.list: MEMBERS = $(call fuzzobj,$(SMIME_SRC) $(CORE_SRC) \
    $(FUZZ_HELP))
build-fuzz/libfuzzed.a: $(call fuzzobj,$(SMIME_SRC) $(CORE_SRC) $(FUZZ_HELP)) \
    build-fuzz/libfuzzed.list
	$(archive)
build-fuzz/fuzz_%: build-fuzz/obj/tests/fuzz/fuzz_%.o build-fuzz/libfuzzed.a
	$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ $(CONFIG_LIBS) \
	    $(CRYPTO_LIBS) -pthread
fuzz: fuzzers
	@FUZZ_TIME=$(FUZZ_TIME) tests/fuzz/run

# Load client, reference milters and the maker of large keystores, for
# tests/bench and tests/corpus.
BENCH_BIN	:= $(addprefix $(B)/bench/,load noop_milter spool_milter \
		   verify_milter mkstore seal inprocess_milter)
MTA_OBJ		:= $(call obj,$(addprefix tests/bench/,mta.c mta_wire.c \
		   mta_message.c generate.c procstat.c))
benchers: $(BENCH_BIN)
.PHONY: benchers
$(B)/bench/load: $(MTA_OBJ)
$(B)/bench/seal: $(B)/libsmime.a
# Functions of its own in the place of four of the product's.
$(B)/bench/inprocess_milter: LDFLAGS += -Wl,--wrap=channel_ask \
    -Wl,--wrap=sandbox_drop -Wl,--wrap=sandbox_enter \
    -Wl,--wrap=sandbox_serve
$(B)/bench/inprocess_milter: MILTER_LIBS += $(CONFIG_LIBS) $(SECCOMP_LIBS)
$(B)/bench/inprocess_milter: $(B)/libcore.a $(B)/libsmime.a
$(B)/bench/%: $(B)/obj/tests/bench/%.o
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(MILTER_LIBS) $(CRYPTO_LIBS) -pthread

MAN8		:= milter/sampul-milter.8 milter/ctl/sampulctl.8
MAN7		:= milter/keys/sampul-custody.7
MAN5		:= milter/sampul.conf.5 milter/keys/sampul-keystore.5 \
		   milter/sampul-verified-sender.5

install: all
	$(INSTALL) -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(MANDIR)/man5 \
	    $(DESTDIR)$(MANDIR)/man7 \
	    $(DESTDIR)$(MANDIR)/man8 $(DESTDIR)$(SYSCONFDIR)/sampul \
	    $(DESTDIR)$(DOCDIR)
	$(INSTALL) -m 0755 $(B)/sampul-milter $(B)/sampulctl \
	    $(DESTDIR)$(SBINDIR)
	$(INSTALL) -m 0644 $(MAN5) $(DESTDIR)$(MANDIR)/man5
	$(INSTALL) -m 0644 $(MAN7) $(DESTDIR)$(MANDIR)/man7
	$(INSTALL) -m 0644 $(MAN8) $(DESTDIR)$(MANDIR)/man8
	$(INSTALL) -m 0644 README INSTALL NEWS $(DESTDIR)$(DOCDIR)
	cp -R conf contrib $(DESTDIR)$(DOCDIR)
	test -e $(DESTDIR)$(SYSCONFDIR)/sampul/sampul.conf || \
	    $(INSTALL) -m 0644 conf/sampul.conf \
	    $(DESTDIR)$(SYSCONFDIR)/sampul/sampul.conf

uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/sampul-milter $(DESTDIR)$(SBINDIR)/sampulctl
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man8/,$(notdir $(MAN8)))
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man7/,$(notdir $(MAN7)))
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man5/,$(notdir $(MAN5)))
	rm -rf $(DESTDIR)$(DOCDIR)

-include $(shell find build/obj build-*/obj build/analyzed -name '*.d' -type f 2>/dev/null)
