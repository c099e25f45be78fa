# Completion of facet's commands, options and files for bash.  What there is says facet's own help, so that nothing is
# listed here: "  facet run STUDY.yaml [-n RANKS] [--fresh]" is a command, its files in order, and its options.

_facet_files() { # endings, word: files of one of these endings, and folders on the way to them
  local name ending
  compopt -o filenames 2>/dev/null
  while IFS= read -r name; do
    if [ -d "$name" ]; then
      COMPREPLY+=("$name")
    else
      for ending in $1; do
        if [[ $name == *."$ending" ]]; then
          COMPREPLY+=("$name")
        fi
      done
    fi
  done < <(compgen -f -- "$2")
}

_facet() {
  local word=${COMP_WORDS[COMP_CWORD]} program=${1/#\~/$HOME} command=${COMP_WORDS[1]:-} help usage wanted i place=0
  COMPREPLY=()
  help=$("$program" --help 2>/dev/null) || return
  if [ "$COMP_CWORD" = 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "$(sed -n 's/^  facet \([a-z][a-z]*\) .*/\1/p' <<<"$help") --help --version" -- "$word")
    return
  fi
  usage=$(sed -n "s/^  facet $command //p" <<<"$help")
  if [ -z "$usage" ]; then
    return
  fi
  if [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(grep -o -e '-[-a-z]*' <<<"$usage") --help" -- "$word")
    return
  fi
  if [[ ${COMP_WORDS[COMP_CWORD - 1]} =~ ^-.$ ]]; then # a number
    return
  fi
  for ((i = 2; i < COMP_CWORD; i++)); do # files before this one
    if [[ ${COMP_WORDS[i]} != -* && ! ${COMP_WORDS[i - 1]} =~ ^-.$ ]]; then
      place=$((place + 1))
    fi
  done
  read -ra wanted <<<"${usage%%[*}"
  case ${wanted[place]:-} in
  *.yaml) _facet_files "yaml yml" "$word" ;;
  *.*) _facet_files "${wanted[place]##*.}" "$word" ;;
  DIR) _facet_files "" "$word" ;;
  esac
}
complete -F _facet facet
