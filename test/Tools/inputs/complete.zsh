# complete.zsh LATHE WORD...: what zsh would complete the last word to. Zsh offers what a function gives to
# compadd; outside of its line editor a stand-in prints that, without what does not begin as the word.
lathe=$1
compdef() { registered="$*"; }
_files() { print "[files]"; }
compadd() {
  local -a offered told
  while [[ $1 == -* && $1 != -- ]]; do
    case $1 in
      -d) told=("${(@P)2}"); shift ;;
      -a) offered=("${(@P)2}"); shift ;;
    esac
    shift
  done
  [[ $1 == -- ]] && offered=("${@:2}")
  offered=("${(@M)offered:#${words[CURRENT]}*}")
  print "[${offered[*]}]"
  if (( ${#told} )); then print -l -- "${(@M)told:#${words[CURRENT]}*}"; fi
}
source <($lathe completion --shell zsh) || exit 1
[[ $registered == "_lathe lathe" ]] || exit 2
words=(lathe "${@:2}")
CURRENT=${#words}
_lathe
