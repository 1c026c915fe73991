/** What each shell needs to ask `eleven __complete`, which prints a line for each candidate: the word, a tab, what it is. */

const bash = `# eleven completion for bash: source <(eleven completion bash)
_eleven() {
  local line IFS=$'\\n'
  COMPREPLY=()
  for line in $("\${COMP_WORDS[0]}" __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null); do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -o default -F _eleven eleven`;

const zsh = `#compdef eleven
# eleven completion for zsh: eleven completion zsh > "\${fpath[1]}/_eleven"
_eleven() {
  local line
  local -a described
  for line in "\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n $line ]] && described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  (( \${#described} )) && _describe eleven described || _files
}
[[ $funcstack[1] == _eleven ]] && _eleven "$@" || compdef _eleven eleven`;

const fish = `# eleven completion for fish: eleven completion fish > ~/.config/fish/completions/eleven.fish
function __eleven_complete
  set -l words (commandline -opc)
  set -l found ($words[1] __complete -- $words[2..-1] (commandline -ct) 2>/dev/null)
  if test (count $found) -gt 0
    printf '%s\\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c eleven -f -a '(__eleven_complete)'`;

export const SCRIPTS = { bash, zsh, fish };
