// The rule for the first line of a commit message. Pure.

const TYPES = [
  'feat',
  'fix',
  'perf',
  'refactor',
  'docs',
  'test',
  'bench',
  'build',
  'ci',
  'chore',
  'deps',
  'style',
  'revert',
];
const SUBJECT_CHARS_MAX = 200;

/** What is wrong with it, as words that follow the message; undefined when nothing is. */
export function commitProblem(subject: string): string | undefined {
  const [, type = '', , , text = ''] = /^([a-z]+)(\([a-z0-9][a-z0-9 ,./_-]*\))?(!)?: (.*)$/i.exec(subject) ?? [];
  if (type === '') return 'is not of the form "type(scope): what changes"';
  if (!TYPES.includes(type)) return `has the type ${JSON.stringify(type)}; known are ${TYPES.join(', ')}`;
  if (text.trim() === '') return 'does not say what changes';
  if (text.startsWith(' ')) return 'has more than one space after the colon';
  if (subject.length > SUBJECT_CHARS_MAX) return `is longer than ${SUBJECT_CHARS_MAX} characters`;
  return undefined;
}
