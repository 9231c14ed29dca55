// The preview process: makes one small picture after another, and ends with its parent. What it decodes may crash it,
// which costs that one picture.
import { makePreview } from '../engines/preview/make-preview.ts';
import { leaveWithParent } from './leave-with-parent.ts';
import type { PreviewAnswer, PreviewAsk } from './preview-messages.ts';

const [, , scratchDir = '', modelsRoot = ''] = process.argv;
const leaving = new AbortController();
let turn = Promise.resolve();

process.on('disconnect', () => process.exit(0));
process.on('message', (ask: PreviewAsk) => {
  turn = turn.then(() => answer(ask));
});
leaveWithParent();

async function answer({ id, path, ext }: PreviewAsk): Promise<void> {
  try {
    const png = await makePreview({ path, ext, scratchDir, modelsRoot }, leaving.signal);
    tell({ id, png });
  } catch (thrown) {
    tell({ id, why: thrown instanceof Error ? thrown.message : String(thrown) });
  }
}

function tell(message: PreviewAnswer): void {
  if (process.connected) process.send?.(message);
}
