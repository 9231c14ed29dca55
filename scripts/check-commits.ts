// `node scripts/check-commits.ts <from>..<to>`: whether every commit, and the title of the pull request in TITLE, says
// what kind of change it is, as https://www.conventionalcommits.org has it.
import { execFileSync } from 'node:child_process';
import { commitProblem } from './commit-message.ts';

const [range = 'origin/main..HEAD'] = process.argv.slice(2);
const log = execFileSync('git', ['log', '--no-merges', '--format=%h %s', '--end-of-options', range], {
  encoding: 'utf8',
});
const commits = log.split('\n').filter((line) => line !== '');
const messages = commits.map((line) => {
  const space = line.indexOf(' ');
  return { name: `commit ${line.slice(0, space)}`, subject: line.slice(space + 1) };
});
const { TITLE } = process.env;
if (TITLE !== undefined && TITLE !== '') messages.push({ name: 'the title', subject: TITLE });

for (const { name, subject } of messages) {
  const problem = commitProblem(subject);
  if (problem === undefined) continue;
  console.error(`${name}: ${JSON.stringify(subject)} ${problem}`);
  process.exitCode = 1;
}
console.log(`${messages.length} messages looked at`);
