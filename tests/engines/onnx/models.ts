// The model files of the onnx tests, laid out as the model store does, and jobs for them.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lama } from '../../../fixtures/models/lama.ts';
import type { ImageTask } from '../../../src/protocol/index.ts';
import type { HostJob } from '../../../src/workers/types.ts';
import { type JobPatch, syntheticJob, task } from '../../workers/rig.ts';
import { pngUrl } from '../data-url.ts';

export type Models = AsyncDisposable & { readonly root: string };

export async function writeModels(): Promise<Models> {
  const root = await mkdtemp(join(tmpdir(), 'onnx-test-'));
  const put = async (model: string, file: Uint8Array) => {
    await mkdir(join(root, model), { recursive: true });
    await writeFile(join(root, model, 'model.onnx'), file);
  };
  const whole = lama();
  await put('lama', whole);
  await put('lama-unit', lama({ scale: 1 }));
  await put('lama-open', lama({ side: 'side' }));
  await put('other-names', lama({ names: { mask: 'l_mask_', output: 'add_3384' } }));
  await put('half', lama({ type: 'f16', side: 256 }));
  await put('cut', whole.subarray(0, 250));
  // Whole as far as can be seen from outside, with a graph that is none.
  await put('garbled', Buffer.from([8, 8, 58, 4, 0xff, 0xff, 0xff, 0xff]));
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
}

/** A grey picture of 96 x 64 pixels whose middle, 32 x 24, is masked. */
export const GREY = 51;
export const imageUrl = await pngUrl(96, 64, () => [GREY, GREY, GREY]);
export const maskUrl = await pngUrl(96, 64, (x, y) => [x >= 32 && x < 64 && y >= 20 && y < 44 ? 255 : 0]);

export type RemovalPatch = Omit<JobPatch, 'engine' | 'task'>;

export function removalJob(more: Partial<ImageTask> = {}, patch: RemovalPatch = {}): HostJob {
  const { model = 'lama', files, ...rest } = patch;
  return syntheticJob('image', '', {
    ...rest,
    engine: 'onnx',
    model,
    // It lies there already; nobody is asked.
    files: files ?? [{ role: 'model', url: `https://models.invalid/${model}/model.onnx`, filename: 'model.onnx' }],
    task: task('image', '', { initImageUrl: imageUrl, maskUrl, width: 96, height: 64, ...more }),
  });
}
