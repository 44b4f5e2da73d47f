# Completion of dedupaudit for fish: dedupaudit completion fish > ~/.config/fish/completions/dedupaudit.fish

function __dedupaudit_complete
    set -l word (commandline -ct)
    set -l option (string match -r -- '^--[a-z-]+=' $word)
    set -l file (string replace -r -- '^--[a-z-]+=' '' $word)
    set -lx _DEDUPAUDIT_LINE (commandline -cp | string collect)
    for line in (_DEDUPAUDIT_COMPLETE=fish_complete dedupaudit </dev/null 2>/dev/null)
        set -l answer (string split -m 2 \t -- $line)
        switch $answer[1]
            case plain
                string join -n \t -- $answer[2] $answer[3]
            case file
                for path in (__fish_complete_path "$file")
                    string match -q -- "*$answer[2]" (string split \t -- $path)[1]
                    or string match -q -- '*/' (string split \t -- $path)[1]
                    and printf '%s%s\n' "$option" $path
                end
            case dir
                __fish_complete_directories "$file"
        end
    end
end

complete --command dedupaudit --no-files --keep-order --arguments '(__dedupaudit_complete)'
