// Makes another version the current one, or goes back. Under the lock of the installation. Each is a row of steps on the
// disk of which any can be the last: whatever is started then is a whole version, the old one or the new one.
import { existsSync } from 'node:fs';
import { flipPointer, readPointer, removeDurably } from './durable.ts';
import { type Layout, programOf, versionFolder } from './layout.ts';
import { UpdateError } from './update-error.ts';
import { readUpdateState, withBad, withGood, writeProbation, writeUpdateState } from './update-state.ts';

export type SwitchStep = 'probation' | 'previous' | 'current' | 'state' | 'end-probation';
type AtStep = ((step: SwitchStep) => void) | undefined;

/** After a trial that went well. The new version is on probation until it is healthy in earnest. */
export async function switchTo(layout: Layout, version: string, from: string, atStep?: AtStep): Promise<void> {
  atStep?.('probation');
  // Before the flip, when it means nothing yet: it counts only while `current` is the version in it.
  await writeProbation(layout, { version, starts: 0 });
  atStep?.('previous');
  await flipPointer(layout.root, 'previous', from);
  atStep?.('current');
  await flipPointer(layout.root, 'current', version);
  atStep?.('state');
  await writeUpdateState(layout, withGood(await readUpdateState(layout), version));
}

/** Back to the previous version. The one that is left is remembered as bad, so that it is not taken again by itself. */
export async function goBack(layout: Layout, why: string, atStep?: AtStep): Promise<{ from: string; to: string }> {
  const from = await readPointer(layout.root, 'current');
  const to = await readPointer(layout.root, 'previous');
  if (from === undefined || to === undefined || from === to || !existsSync(programOf(versionFolder(layout, to)).node)) {
    throw new UpdateError(
      'NOTHING_TO_GO_BACK_TO',
      'there is no previous version to go back to: `studio-worker update --to <version>` installs any other',
    );
  }
  atStep?.('state');
  // First: once `current` is back, nothing else would keep the bad version from being taken again.
  await writeUpdateState(layout, withBad(await readUpdateState(layout), from, why, new Date()));
  atStep?.('current');
  await flipPointer(layout.root, 'current', to);
  atStep?.('end-probation');
  await removeDurably(layout.probation);
  return { from, to };
}
