#!/usr/bin/env python3
"""Names the functions in the table of lathe.h whose comment does not begin with a rule for threads."""

import re
import sys

FUNCTION = re.compile(r"\(\*(\w+)\)\(")
RULE = re.compile(r"/\* \[(any|turn|owner|last)\]")


def main():
    with open(sys.argv[1]) as header:
        text = header.read()
    table = re.search(r"^typedef struct lathe_api \{$(.*?)^\} lathe_api;$", text, re.S | re.M).group(1)
    functions, missing, end = 0, [], 0
    for match in FUNCTION.finditer(table):
        functions += 1
        # What stands between the function ahead and this one is its comment.
        if len(RULE.findall(table[end : match.start()])) != 1:
            missing.append(match.group(1))
        end = match.end()
    print(f"{functions} functions, without a rule: {', '.join(missing) or 'none'}")


if __name__ == "__main__":
    main()
