#!/usr/bin/env python3
"""Reads a disassembly by llvm-objdump and names the instructions that x86-64 did not begin with."""

import re
import sys

# What SSE3 to SSE4.2 and the later extensions of general registers added (Intel SDM vol. 2); all that
# AVX and its successors added begins with v.  Older processors read tzcnt as bsf, which is the same but for 0;
# compilers write it for what is not 0.
NEWER = re.compile(
    "v(?!err|erw|mcall|mmcall|mfunc).*|"
    "addsubp[sd]|haddp[sd]|hsubp[sd]|lddqu|movddup|mov(sh|sl)dup|monitorx?|mwaitx?|fisttp.*|"
    "pabs[bwd]|palignr|ph(add|sub)(w|d|sw)|pmaddubsw|pmulhrsw|pshufb|psign[bwd]|"
    "blendv?p[sd]|pblend(vb|w)|dpp[sd]|extractps|insertps|movntdqa|mpsadbw|packusdw|pcmp(eqq|gtq)|"
    "pextr[bdq]|pinsr[bdq]|phminposuw|pm(ax|in)(sb|sd|uw|ud)|pmov[sz]x.*|pmul(dq|ld)|ptest|"
    "round[ps][sd]|pcmp[ei]str[im]|crc32[bwlq]?|popcnt[wlq]?|lzcnt[wlq]?|movbe[wlq]?|"
    "andn[lq]?|bextr[lq]?|bls(i|r|msk)[lq]?|bzhi[lq]?|mulx[lq]?|p(dep|ext)[lq]?|(rorx|sarx|shlx|shrx)[lq]?|"
    "adcx[lq]?|adox[lq]?|aes.*|pclmul.*|sha(1|256).*|gf2p8.*|rd(rand|seed)[wlq]?|xgetbv|cmpxchg16b|tile.*"
)
LINE = re.compile(r"^\s*[0-9a-f]+:\s+((?:(?:lock|rep|repe|repne|repz|repnz|notrack|data16)\s+)*)(\S+)")


def main():
    count, found = 0, set()
    for line in sys.stdin:
        if match := LINE.match(line):
            count += 1
            if NEWER.fullmatch(match.group(2)):
                found.add(match.group(2))
    print(f"{count} instructions; newer: {', '.join(sorted(found)) or 'none'}")


if __name__ == "__main__":
    main()
