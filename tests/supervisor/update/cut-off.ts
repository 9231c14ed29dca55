// An update that is cut off: `node cut-off.ts <root> <feed> <version> <own> <step>` does what the updater and then the
// launcher do, and kills itself with SIGKILL before its step with that number, counted from 0. Prints the step's name.
// Past the last step it ends with 0.
import { writeSync } from 'node:fs';
import { findRelease } from '../../../src/supervisor/update/check.ts';
import { launchTrial } from '../../../src/supervisor/update/launcher.ts';
import { layoutOf } from '../../../src/supervisor/update/layout.ts';
import { stageRelease } from '../../../src/supervisor/update/stage.ts';

const [root = '', feed = '', version = '', own = '', last = ''] = process.argv.slice(2);
const layout = layoutOf(root);
let count = 0;
const atStep = (step: string): void => {
  if (count === Number(last)) {
    writeSync(1, step);
    process.kill(process.pid, 'SIGKILL');
  }
  count += 1;
};
await stageRelease({ layout, release: await findRelease(feed, version), variant: 'plain', feed, atStep });
await launchTrial(version, {
  layout,
  own,
  args: ['run'],
  interrupted: new AbortController().signal,
  say: () => {},
  atStep,
});
