#compdef dedupaudit
# Completion of dedupaudit for zsh, after compinit: eval "$(dedupaudit completion zsh)", or a file _dedupaudit in $fpath.

_dedupaudit() {
    local typed="${(j: :)words[1,CURRENT]}" kind value told
    local -a values shown
    while IFS=$'\t' read -r kind value told; do
        [[ $kind == plain ]] || break
        values+=("$value")
        shown+=("$value${told:+  -- $told}")
    done < <(_DEDUPAUDIT_COMPLETE=zsh_complete _DEDUPAUDIT_LINE=$typed dedupaudit </dev/null 2>/dev/null)

    compset -P '--*='
    case $kind in
        (file) _files ${value:+-g "*$value"} ;;
        (dir) _files -/ ;;
        (*) (( $#values )) && compadd -V dedupaudit -l -d shown -a values ;;
    esac
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _dedupaudit "$@"
else
    compdef _dedupaudit dedupaudit
fi
