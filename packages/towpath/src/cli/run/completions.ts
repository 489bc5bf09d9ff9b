import { type Command, GLOBAL_OPTIONS, type Handler } from '../command.ts';
import { COMMANDS } from '../commands.ts';
import { EXIT } from '../exit.ts';

const first = (command: Command): string => command.name.split(' ')[0] ?? '';
const firstWords = [...new Set(COMMANDS.map(first))];
const flagsOf = (command: Command | undefined): string[] =>
  Object.keys({ ...command?.options, ...GLOBAL_OPTIONS }).map((name) => `--${name}`);

/** Second words: `verify` after `evidence`, choices of a first argument. */
function secondWords(word: string): string[] {
  return COMMANDS.filter((command) => first(command) === word).flatMap((command) => {
    const second = command.name.split(' ')[1];
    if (second !== undefined) return [second];
    if (command.name === 'help') return firstWords;
    return command.args?.[0]?.choices ?? [];
  });
}

const flagsUnder = (word: string): string[] => [
  ...new Set(COMMANDS.filter((command) => first(command) === word).flatMap((command) => flagsOf(command))),
];

function bash(): string {
  const cases = firstWords.map(
    (word) => `    ${word}) words="${secondWords(word).join(' ')}"; flags="${flagsUnder(word).join(' ')}" ;;`,
  );
  return `# towpath completions for bash: source <(towpath completions bash)
_towpath() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command="" words="" flags="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) command="$word"; break ;; esac
  done
  case "$command" in
    "") words="${firstWords.join(' ')}"; flags="${flagsOf(undefined).join(' ')}" ;;
${cases.join('\n')}
  esac
  case "$current" in -*) words="$flags" ;; esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _towpath towpath
`;
}

const quoted = (text: string): string => text.replaceAll("'", "'\\''");

function zsh(): string {
  const describe = firstWords.map((word) => {
    const command = COMMANDS.find((candidate) => first(candidate) === word);
    return `    '${word}:${quoted(command?.summary ?? '').replaceAll(':', '\\:')}'`;
  });
  const cases = firstWords.map(
    (word) => `    ${word}) compadd -- ${[...secondWords(word), ...flagsUnder(word)].join(' ')}; _files ;;`,
  );
  return `#compdef towpath
# towpath completions for zsh: towpath completions zsh > "\${fpath[1]}/_towpath"
_towpath() {
  local -a commands
  commands=(
${describe.join('\n')}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  case "$words[2]" in
${cases.join('\n')}
  esac
}
compdef _towpath towpath
`;
}

function fish(): string {
  const lines = COMMANDS.flatMap((command) => {
    const [word = '', second] = command.name.split(' ');
    const seen = `__fish_seen_subcommand_from ${word}`;
    const name =
      second === undefined
        ? [`complete -c towpath -f -n __fish_use_subcommand -a ${word} -d '${quoted(command.summary)}'`]
        : [
            `complete -c towpath -f -n __fish_use_subcommand -a ${word}`,
            `complete -c towpath -f -n '${seen}' -a ${second} -d '${quoted(command.summary)}'`,
          ];
    const choices =
      command.args?.[0]?.choices?.map((choice) => `complete -c towpath -f -n '${seen}' -a ${choice}`) ?? [];
    const options = Object.entries(command.options ?? {}).map(
      ([option, { short, type, summary }]) =>
        `complete -c towpath -n '${seen}' -l ${option}${short === undefined ? '' : ` -s ${short}`}${type === 'string' ? ' -r' : ''} -d '${quoted(summary)}'`,
    );
    return [...name, ...choices, ...options];
  });
  const everywhere = Object.entries(GLOBAL_OPTIONS).map(
    ([option, { short, type, summary }]) =>
      `complete -c towpath -l ${option}${short === undefined ? '' : ` -s ${short}`}${type === 'string' ? ' -r' : ''} -d '${quoted(summary)}'`,
  );
  return `# towpath completions for fish: towpath completions fish > ~/.config/fish/completions/towpath.fish\n${[...new Set([...lines, ...everywhere])].join('\n')}\n`;
}

/** The completion script of a shell, from the command data. Pure. */
export function completionsFor(shell: string): string {
  if (shell === 'zsh') return zsh();
  return shell === 'fish' ? fish() : bash();
}

export const run: Handler = (invocation, context) => {
  const shell = invocation.args['shell'] ?? 'bash';
  const script = completionsFor(shell);
  if (context.terminal.json) context.terminal.document({ shell, script });
  else context.terminal.raw(script);
  return Promise.resolve(EXIT.ok);
};
