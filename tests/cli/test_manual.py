#!/usr/bin/python3
"""test_manual.py - that the manual pages tell of every setting, sub-command and
option that there is, of no other, and the right defaults. Prints TAP."""
import os
import re
import subprocess
import sys

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
BUILD = os.environ.get("SAMPUL_BUILD", "build")
count, bad = 0, 0


def result(name, faults):
    global count, bad
    count += 1
    bad |= bool(faults)
    print("%s %d - %s" % ("not ok" if faults else "ok", count, name))
    for fault in faults:
        print("# " + fault)


def read(name):
    with open(name, encoding="utf-8") as file:
        return file.read()


def same(name, there, told):
    result(name, ["not in the manual: " + item for item in there - told] +
           ["in the manual alone: " + item for item in told - there])


# ------------------------------------------------------------- sampul.conf(5)

def settings(source):
    """{(group, name): default or None} of the tables in a source file, without
    what conf_text alone writes (the entry's last word is true then)."""
    entry = re.compile(r'^\t?\{ "(\w*)", "(\w+)", SETTING_\w+,[\s\\]+\w+\('
                       r'[^)]*\),[\s\\]+((?:SAMPUL_SYSCONFDIR )?"[^"]*"|NULL)'
                       r'([^}]*)\}', re.M)
    return {(group, name): None if text == "NULL" else text.replace(
        'SAMPUL_SYSCONFDIR "', '"/etc').strip('"')
            for group, name, text, rest in entry.findall(read(source))
            if not rest.strip().endswith("true")}


def sections(page):
    """{heading: {item: its text}} of the outer lists of a manual page."""
    out, items, names, depth = {}, {}, [], 0
    for line in page.splitlines():
        if re.match(r"\.S[sh] ", line):
            items, names = out.setdefault(line[4:], {}), []
        depth += line.startswith(".Bl") - line.startswith(".El")
        if line.startswith(".It ") and depth == 1:
            names = re.findall(r"\b[a-z_0-9]+\b", line[4:])
            items.update(dict.fromkeys(names, ""))
        elif depth > 0:
            for name in names:
                items[name] += line + "\n"
    return out


table = settings("milter/conftable.c")
manual = sections(read("milter/sampul.conf.5"))
result("the table is found", [] if len(table) > 60 else [str(len(table))])
for group in sorted({group for group, _ in table}):
    same("settings of %s" % (group or "the top level"),
         {name for key, name in table if key == group},
         set(manual["Group " + group if group else "General"]))
same("groups", {group for group, _ in table if group},
     {name[6:] for name in manual if name.startswith("Group ")})
for heading, source, inner in (
        ("Origins", "milter/conforigins.c", set()),
        # of a header's two, one is told of with "headers"
        ("Rules", "milter/confrules.c", {"name", "pattern"}),
        ("Incoming", "milter/confincoming.c", set())):
    same("settings of one of the " + heading.lower(),
         {name for _, name in settings(source)} - inner, set(manual[heading]))

faults = []
for (group, name), text in table.items():
    told = manual["Group " + group if group else "General"].get(name, "")
    for word in re.split(r"[| ]", text or ""):
        if word and not re.search(r"(?<![\w/.-])%s(?![\w/-])" % re.escape(
                word), told.replace("\\-", "-")):
            faults.append("%s.%s: the default is %s" % (group, name, word))
result("defaults", faults)

# --------------------------------------------------- sampulctl(8), and the other

page = read("milter/ctl/sampulctl.8")
usage = subprocess.run([os.path.join(BUILD, "sampulctl"), "-h"], check=False,
                       stdout=subprocess.PIPE).stdout.decode()
same("sub-commands of sampulctl", set(re.findall(r"^    (\w+)", usage, re.M)),
     set(re.findall(r"^\.It Cm (\w+)", page, re.M)))
options = set()
for name in os.listdir("milter/ctl"):
    if name.endswith(".c"):
        options |= set(re.findall(
            r'(?:\{ "|strcmp\(\S+ "--)([a-z0-9-]+)"(?:, \w+_argument|\) == 0)',
            read("milter/ctl/" + name)))
same("long options of sampulctl", options,
     {option.replace("\\-", "-") for option in re.findall(
         r"Fl \\-((?:[a-z0-9]|\\?-)+)", page)})
result("usage tells of no other", [
    option for option in re.findall(r"--([a-z0-9-]+)", usage)
    if option not in options])

page = read("milter/sampul-milter.8")
usage = subprocess.run([os.path.join(BUILD, "sampul-milter"), "-h"],
                       check=False, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT).stdout.decode()
same("options of sampul-milter",
     set("".join(re.findall(r" \[?-(\w+)", usage.partition("usage:")[2]))),
     set(re.findall(r"^\.It Fl (\w)", page, re.M)))

print("1..%d" % count)
sys.exit(bad)
