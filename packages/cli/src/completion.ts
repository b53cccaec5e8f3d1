import type { Command, Option } from 'commander'

/** What a shell needs to know of one verb. */
interface Verb {
  readonly name: string
  readonly summary: string
  readonly options: readonly Option[]
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** A completion script: everything it knows is in it, so that a key press starts no process. */
export function completionScript(program: Command, shell: Shell): string {
  const verbs = program.commands.map(command => ({
    name: command.name(),
    summary: firstSentence(command.description()),
    options: command.options.filter(option => !option.hidden),
  }))
  return WRITERS[shell](verbs)
}

const WRITERS: Readonly<Record<Shell, (verbs: readonly Verb[]) => string>> = { bash, zsh, fish }

function firstSentence(text: string): string {
  return text.split(/\.(?:\s|$)/)[0]!.replace(/['"`$\\:[\]]/g, '')
}

function flagsOf({ options }: Verb): string[] {
  return ['--help', ...options.flatMap(({ long, short }) => [long, short].filter(flag => flag != null))]
}

function withChoices({ options }: Verb): Option[] {
  return options.filter(({ argChoices }) => argChoices !== undefined)
}

function bash(verbs: readonly Verb[]): string {
  const cases = verbs.map(verb => `    ${verb.name}) words="${flagsOf(verb).join(' ')}" ;;`)
  const choices = verbs.flatMap(verb =>
    withChoices(verb).map(
      ({ long, argChoices }) =>
        `    "${verb.name} ${long}") COMPREPLY=($(compgen -W "${argChoices!.join(' ')}" -- "$cur")); return ;;`,
    ),
  )
  return `# weft completion for bash. To install:
#   weft completion bash > ~/.local/share/bash-completion/completions/weft
_weft() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" verb="\${COMP_WORDS[1]}" words
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W "${verbs.map(({ name }) => name).join(' ')} --help --version" -- "$cur"))
    return
  fi
  case "$verb $previous" in
${choices.join('\n')}
  esac
  case "$verb" in
${cases.join('\n')}
    *) return ;;
  esac
  if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "$words" -- "$cur")); fi
}
complete -o default -F _weft weft
`
}

function zsh(verbs: readonly Verb[]): string {
  const cases = verbs.map(verb => {
    const specs = verb.options.map(option => {
      const about = firstSentence(option.description)
      const value = option.required
        ? `:${option.name()}:${option.argChoices ? `(${option.argChoices.join(' ')})` : '_files'}`
        : ''
      return `'${option.long}[${about}]${value}'`
    })
    return `    ${verb.name}) _arguments ${[...specs, "'*:argument:_files'"].join(' ')} ;;`
  })
  return `#compdef weft
# weft completion for zsh. To install, put it into a directory of your $fpath:
#   weft completion zsh > ~/.zfunc/_weft
_weft() {
  local -a verbs=(
${verbs.map(({ name, summary }) => `    '${name}:${summary}'`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe 'command' verbs
    return
  fi
  local verb=$words[2]
  shift words
  (( CURRENT-- ))
  case $verb in
${cases.join('\n')}
  esac
}
compdef _weft weft
`
}

function fish(verbs: readonly Verb[]): string {
  const lines = verbs.flatMap(verb => [
    `complete -c weft -n __fish_use_subcommand -f -a ${verb.name} -d '${verb.summary}'`,
    ...verb.options.map(option => {
      const short = option.short ? ` -s ${option.short.slice(1)}` : ''
      const choices = option.argChoices
        ? ` -x -a '${option.argChoices.join(' ')}'`
        : option.required
          ? ' -r'
          : ''
      const about = firstSentence(option.description)
      return `complete -c weft -n '__fish_seen_subcommand_from ${verb.name}' -l ${option.long!.slice(2)}${short}${choices} -d '${about}'`
    }),
  ])
  return `# weft completion for fish. To install:
#   weft completion fish > ~/.config/fish/completions/weft.fish
${lines.join('\n')}
`
}
