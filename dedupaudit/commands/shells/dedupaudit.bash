# Completion of dedupaudit for bash 4.4 or newer: eval "$(dedupaudit completion bash)"

_dedupaudit_completion() {
    local typed=${COMP_LINE:0:COMP_POINT} current=${COMP_WORDS[COMP_CWORD]}
    local word=${typed##*[[:space:]]} before="" kind value quoted
    # Readline replaces only what follows these.
    if [[ $word == *[:=]* ]]; then before=${word%"${word##*[:=]}"}; fi
    if [[ $current == = ]]; then current=""; fi
    COMPREPLY=()
    while IFS=$'\t' read -r kind value _; do
        if [[ $kind == plain ]]; then
            printf -v quoted %q "$value"
            # Within a quotation that was begun, only a name that needs no quoting fits.
            if [[ $quoted == "$value" || $word != *[\"\']* ]]; then COMPREPLY+=("${quoted#"$before"}"); fi
        elif [[ $kind == file && -z $value ]]; then
            compopt -o default
        elif [[ $kind == file ]]; then
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -X "!*$value" -- "$current"; compgen -d -- "$current")
        elif [[ $kind == dir ]]; then
            compopt -o dirnames
        fi
    done < <(_DEDUPAUDIT_COMPLETE=bash_complete _DEDUPAUDIT_LINE=$typed dedupaudit </dev/null 2>/dev/null)
}

complete -o nosort -F _dedupaudit_completion dedupaudit
