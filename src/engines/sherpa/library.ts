// sherpa-onnx's native library, shared by the engines that run it. It comes with the program, as an optional package for
// each platform.
import { createRequire } from 'node:module';
import { Failure, toFailure } from '../../protocol/failure.ts';
import type { GpuChoice, Probe } from '../engine.ts';

/** `gpu` other than `auto` and `cpu` is a demand that the library cannot meet: it has no build for GPUs. */
export function requireSherpa(gpu: GpuChoice, pool: 'audio_stt' | 'audio_tts'): unknown {
  if (gpu !== 'auto' && gpu !== 'cpu') {
    throw new Failure(
      'ENGINE_UNAVAILABLE',
      `sherpa-onnx has no build for ${gpu}: set gpu = "auto" or "cpu" in [pools.${pool}]`,
    );
  }
  try {
    return createRequire(import.meta.url)('sherpa-onnx-node');
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
    const name = `sherpa-onnx-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
    const remedy = `install the optional package ${name} (npm install without --omit=optional)`;
    throw new Failure('ENGINE_UNAVAILABLE', `sherpa-onnx does not load (${why}): ${remedy}`, { cause });
  }
}

/** Whether the library loads on this machine. A GPU that is demanded is not there. */
export function sherpaProbe(pool: 'audio_stt' | 'audio_tts'): Probe {
  return async ({ gpu }) => {
    try {
      requireSherpa(gpu, pool);
      return { ready: true, detail: 'sherpa-onnx, CPU build', backend: 'cpu' };
    } catch (thrown) {
      const { message } = toFailure(thrown, 'ENGINE_UNAVAILABLE');
      const [detail = message, remedy] = message.split(/: (?=install |set )/);
      return { ready: false, detail, ...(remedy && { remedy }) };
    }
  };
}
