# complete.sh LATHE WORD...: what bash would complete the last word to.
eval "$("$1" completion)" || exit 1
COMP_WORDS=(lathe "${@:2}")
COMP_CWORD=$(($# - 1))
_lathe
echo "[${COMPREPLY[*]}]"
