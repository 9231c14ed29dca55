// One LaMa in ONNX Runtime: opened on the chosen backend, checked to be what the pipeline feeds, and run. The only file
// that touches the native library.
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { Failure } from '../../protocol/failure.ts';
import type { Provider } from './provider.ts';
import type { Inpaint } from './remove-object.ts';
import { LAMA_SIDE } from './tensors.ts';

const IMAGE_DIMS = [1, 3, LAMA_SIDE, LAMA_SIDE];
const MASK_DIMS = [1, 1, LAMA_SIDE, LAMA_SIDE];
const EXPECTED = `inputs image ${told(IMAGE_DIMS)} and mask ${told(MASK_DIMS)}, output \`output\` ${told(IMAGE_DIMS)}`;

export type LamaSession = AsyncDisposable & { readonly inpaint: Inpaint };

export async function openSession(path: string, provider: Provider, threads: number): Promise<LamaSession> {
  // Loaded with the first model, so that asking what the engine needs costs no native library.
  const { default: ort } = await import('onnxruntime-node');
  const options: InferenceSession.SessionOptions = {
    executionProviders: [provider],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    // Errors come as exceptions; the rest of its log is about optimisations.
    logSeverityLevel: 3,
    // Threads that spin while they wait take the processor from the other engines.
    extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
  };
  let session: InferenceSession;
  try {
    session = await ort.InferenceSession.create(path, options);
  } catch (thrown) {
    throw failureOf(thrown, 'MODEL_INVALID', 'ONNX Runtime cannot load the model');
  }
  try {
    checkSignature(session);
  } catch (thrown) {
    await session.release();
    throw thrown;
  }
  return {
    async inpaint(image, mask) {
      let output: Tensor | undefined;
      try {
        const feeds = {
          image: new ort.Tensor('float32', image, IMAGE_DIMS),
          mask: new ort.Tensor('float32', mask, MASK_DIMS),
        };
        ({ output } = await session.run(feeds, ['output']));
      } catch (thrown) {
        throw failureOf(thrown, 'ENGINE_FAILED', 'ONNX Runtime cannot run the model');
      }
      if (output?.data instanceof Float32Array) return output.data;
      throw new Failure('MODEL_INVALID', `the model's output is ${output?.type} and not float32`);
    },
    [Symbol.asyncDispose]: () => session.release(),
  };
}

function checkSignature({ inputMetadata, outputMetadata }: InferenceSession): void {
  const fits = (values: readonly InferenceSession.ValueMetadata[], name: string, dims: readonly number[]) =>
    values.some(
      (value) => value.isTensor && value.name === name && value.type === 'float32' && mayBe(value.shape, dims),
    );
  const asExpected =
    inputMetadata.length === 2 &&
    fits(inputMetadata, 'image', IMAGE_DIMS) &&
    fits(inputMetadata, 'mask', MASK_DIMS) &&
    fits(outputMetadata, 'output', IMAGE_DIMS);
  if (asExpected) return;
  const found = `inputs ${inputMetadata.map(describe).join(', ')}; outputs ${outputMetadata.map(describe).join(', ')}`;
  throw new Failure('MODEL_INVALID', `the model is no LaMa inpainter: expected ${EXPECTED}, found ${found}`);
}

/** A size that the model leaves open has a name, or none, in place of its number. */
function mayBe(shape: readonly (number | string)[], dims: readonly number[]): boolean {
  return shape.length === dims.length && shape.every((size, i) => typeof size !== 'number' || size === dims[i]);
}

function describe(value: InferenceSession.ValueMetadata): string {
  return value.isTensor ? `${value.name} ${value.type} [${value.shape.join(',')}]` : `${value.name} (no tensor)`;
}

function told(dims: readonly number[]): string {
  return `float32 [${dims.join(',')}]`;
}

function failureOf(thrown: unknown, code: 'MODEL_INVALID' | 'ENGINE_FAILED', doing: string): Failure {
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  const full = /failed to allocate|out of memory|bad_?alloc/i.test(why);
  return new Failure(full ? 'VRAM_EXHAUSTED' : code, `${doing}: ${why.slice(0, 500)}`, { cause: thrown });
}
