// The onnx engine: takes an object out of a picture. The job brings the picture and a mask, the offer brings the model
// (LaMa); the prompt is not looked at. Runs in an engine process, since the runtime is native code.
import sharp from 'sharp';
import { Failure } from '../../protocol/failure.ts';
import type { CliDefaults, ImageTask } from '../../protocol/index.ts';
import type { Engine, EngineResult, LoadedModel, RunContext } from '../engine.ts';
import { fetchInput } from '../inputs/fetch-input.ts';
import { openImage, rgbOf } from '../pixels/read-image.ts';
import { pieces } from '../synthetic/pieces.ts';
import type { Size } from './geometry.ts';
import { checkModelFile, modelFileOf } from './model-file.ts';
import { chooseProvider, thisMachine } from './provider.ts';
import { greyOf, removeObject } from './remove-object.ts';
import { type Pixels, resize } from './resample.ts';
import { type LamaSession, openSession } from './session.ts';

/** Upstream's size when neither the task nor the model has one. */
const SIDE_DEFAULT = 512;
/** 16 megapixels: half a second of resizing, and 200 MB while it lasts. */
const SIDE_MAX = 4096;
const IMAGE_BYTES_MAX = 64 * 1024 * 1024;

export const engine: Engine = {
  async load(model, context) {
    context.signal.throwIfAborted();
    const before = process.memoryUsage.rss();
    const file = modelFileOf(context.files);
    const { gpu, cpuThreads } = context.settings;
    const { provider, why } = chooseProvider(gpu, thisMachine());
    await checkModelFile(file);
    context.signal.throwIfAborted();
    context.progress(0.1);
    const session = await openSession(file.path, provider, cpuThreads);
    // On a GPU the process's own RAM says nothing.
    const memoryBytes = provider === 'cpu' ? Math.max(0, process.memoryUsage.rss() - before) : undefined;
    context.log('info', `LaMa is loaded on ${provider}${why ? ` (${why})` : ''}, ${cpuThreads} threads`);
    context.progress(1);
    return loaded(session, memoryBytes, model.source.cliDefaults);
  },
};

function loaded(session: LamaSession, memoryBytes: number | undefined, defaults: CliDefaults): LoadedModel {
  return {
    ...(memoryBytes !== undefined && { memoryBytes }),
    async run(task, context) {
      context.signal.throwIfAborted();
      if (task.kind !== 'image') throw new Failure('KIND_UNSUPPORTED', `onnx engine cannot serve ${task.kind} tasks`);
      return remove(task, defaults, session, context);
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

async function remove(
  task: ImageTask,
  defaults: CliDefaults,
  session: LamaSession,
  context: RunContext,
): Promise<EngineResult> {
  const size = sizeOf(task, defaults);
  const imageUrl = required(task.initImageUrl, 'initImageUrl', 'the picture');
  const maskUrl = required(task.maskUrl, 'maskUrl', 'what to remove from it');
  context.progress({ ratio: 0.05 });
  const image = resize(await pixelsAt(imageUrl, 'the init image', context), size);
  context.progress({ ratio: 0.2 });
  const mask = resize(greyOf(await pixelsAt(maskUrl, 'the mask', context)), size);
  context.progress({ ratio: 0.3 });
  const result = await removeObject(image, mask, async (...tensors) => {
    const values = await session.inpaint(...tensors);
    context.signal.throwIfAborted();
    context.progress({ ratio: 0.9 });
    return values;
  });
  const encoder = sharp(result.data, { raw: { ...size, channels: 3 } });
  // Lossless, so that what was not removed stays as it was.
  const file = await (task.ext === 'png' ? encoder.png() : encoder.webp({ lossless: true, effort: 1 })).toBuffer();
  context.signal.throwIfAborted();
  context.progress({ ratio: 1 });
  // As asked, also when it names another format than the bytes are in: so does upstream, and studios know it.
  return { kind: 'bytes', ext: task.ext, chunks: pieces(file) };
}

function sizeOf(task: Size, defaults: CliDefaults): Size {
  const width = task.width || defaults.width || SIDE_DEFAULT;
  const height = task.height || defaults.height || SIDE_DEFAULT;
  const fits = (side: number) => Number.isInteger(side) && side >= 1 && side <= SIDE_MAX;
  if (fits(width) && fits(height)) return { width, height };
  throw new Failure(
    'INPUT_INVALID',
    `size ${width}x${height} is out of range: each side may be 1 to ${SIDE_MAX} pixels`,
  );
}

function required(url: string | undefined, field: string, what: string): string {
  if (url) return url;
  throw new Failure('INPUT_INVALID', `onnx engine needs \`${field}\` (${what}): it removes objects and draws none`);
}

async function pixelsAt(url: string, what: string, context: RunContext): Promise<Pixels> {
  const { signal, scratchDir: dir, settings } = context;
  const { path } = await fetchInput(url, { dir, maxBytes: IMAGE_BYTES_MAX, signal, network: settings.network, what });
  const { image } = await openImage(path, what);
  const pixels = await rgbOf(image, what);
  signal.throwIfAborted();
  return { ...pixels, channels: 3 };
}
