#!/bin/sh
# test_hardening.sh - what compiler and linker were asked for is in the built
# files, as readelf sees them. Prints TAP.
. "${0%/*}/lib_tap.sh"
export LC_ALL=C
case $build in
*build-*)	sanitized=yes ;;	# has no fortified functions
*)		sanitized= ;;
esac

# Every compilation unit's options, once each; with debugging information, from
# gcc.
options()
{
	readelf -p .debug_str "$1" 2>/dev/null | grep -oE 'GNU C[0-9]+ .*' |
	    sort -u
}

for program in sampul-milter sampulctl; do
	file=$build/$program
	expect 0 "$program: readelf reads it" readelf -hdlW "$file"
	cp "$tmp/out" "$tmp/elf"
	says "$program is position-independent" '^ *Type: +DYN' elf
	says "its relocations become read-only" 'GNU_RELRO' elf
	says "all of them, before it starts" 'FLAGS_1\).* NOW' elf
	says "its stack is not executable" 'GNU_STACK .* RW +0x' elf
	silent "nothing is writable and executable" ' (RWE|WE) +0x' elf
	silent "its code is not changed when it is loaded" 'TEXTREL' elf
	silent "libraries come from nowhere else" 'R(UN)?PATH' elf

	expect 0 "$program: what it calls" readelf --dyn-syms -W "$file"
	says "stacks are guarded" '__stack_chk_fail'
	if [ -z "$sanitized" ]; then
		says "functions of libc check sizes" '__v?snprintf_chk'
	fi

	options "$file" >"$tmp/out"
	: >"$tmp/err"
	for option in -fstack-protector-strong -fstack-clash-protection -fPIE; do
		name="every file of $program is compiled with $option"
		if [ ! -s "$tmp/out" ]; then
			ok "$name # SKIP the build says no options"
			continue
		fi
		! grep -vqe " $option" "$tmp/out"
		result $? "$name"
	done
done

# The linked programs lose the mark where libc's own startup files lack it.
case $(uname -m) in
x86_64)
	for library in libsmime libcore; do
		readelf -n "$build/$library.a" >"$tmp/out" 2>"$tmp/err"
		members=$(grep -c '^File: ' "$tmp/out")
		marked=$(grep -c 'x86 feature:.*IBT.*SHSTK' "$tmp/out")
		[ "$members" -gt 0 ] && [ "$marked" -eq "$members" ]
		result $? "every member of $library.a is made for CET"
	done
	;;
esac

finish
