// What shells need to complete words of podplane: small functions that ask the command itself (podplane __complete), so that they
// never get old.
import { usage } from './exit-codes.js';

const BASH = `# podplane completion for bash. Load it: source <(podplane completion bash)
_podplane() {
  local cur words reply
  COMPREPLY=()
  cur="\${COMP_WORDS[COMP_CWORD]}"
  words=("\${COMP_WORDS[@]:1:COMP_CWORD-1}")
  if [[ "$cur" == "=" || "$cur" == ":" ]]; then cur=""; fi
  mapfile -t reply < <("\${COMP_WORDS[0]}" __complete -- "\${words[@]}" "$cur" 2>/dev/null | cut -f1)
  if [[ "\${reply[0]}" == ":files" ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    return
  fi
  COMPREPLY=("\${reply[@]}")
  [[ \${#COMPREPLY[@]} -eq 1 && "\${COMPREPLY[0]}" == */ ]] && compopt -o nospace 2>/dev/null
}
complete -F _podplane podplane
`;

const ZSH = `#compdef podplane
# podplane completion for zsh. Load it: source <(podplane completion zsh)
_podplane() {
  local -a reply items
  local line
  reply=("\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ "\${reply[1]}" == ":files" ]]; then
    _files
    return
  fi
  for line in "\${reply[@]}"; do
    [[ -z "$line" ]] && continue
    items+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe 'podplane' items
}
compdef _podplane podplane
`;

const FISH = `# podplane completion for fish. Load it: podplane completion fish | source
function __podplane_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  set -l reply ($words[1] __complete -- $words[2..-1] "$current" 2>/dev/null)
  if test "$reply[1]" = ":files"
    __fish_complete_path "$current"
    return
  end
  printf '%s\\n' $reply
end
complete -c podplane -f -a '(__podplane_complete)'
`;

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** The script for a shell. Throws a usage error for others. */
export function completionScript(shell: string): string {
  switch (shell) {
    case 'bash':
      return BASH;
    case 'zsh':
      return ZSH;
    case 'fish':
      return FISH;
    default:
      throw usage(`there is no completion for the shell "${shell}"`, `There is for: ${SHELLS.join(', ')}.`);
  }
}
