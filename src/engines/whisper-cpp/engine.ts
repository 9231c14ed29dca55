// Speech to text with whisper.cpp, for whisper and parakeet models. Files by role: `model` (ggml .bin) and, for tasks
// that ask for voice activity detection, `vad` (a silero ggml .bin).
import { existsSync } from 'node:fs';
import { Failure } from '../../protocol/failure.ts';
import type { Engine, LoadContext, LocalModelFile } from '../engine.ts';
import { type LoadedLibrary, loadLibrary, type NativeContext } from './library.ts';
import { checkVadModel, inspectModel, type SpeechModel } from './model-file.ts';
import { gpuInUse, memoryInUse, type NativeLog, openNativeLog, saysOutOfMemory } from './native-log.ts';
import { openRecogniser } from './recogniser.ts';

/** Where NVIDIA's driver announces a card on Linux. */
const NVIDIA_CARD = '/dev/nvidiactl';

export const engine: Engine = {
  async load(ref, context) {
    const { signal, settings } = context;
    const modelFile = roleOf(context.files, 'model', ref.model);
    const vadFile = context.files.find(({ role }) => role === 'vad');
    const model = await inspectModel(modelFile.path);
    if (vadFile) await checkVadModel(vadFile.path);
    signal.throwIfAborted();
    context.progress(0.1);

    const loaded = loadLibrary(settings.gpu, settings.device);
    for (const line of loaded.passedOver) context.log('info', `whisper-cpp passed a build over: ${line}`);
    const log = openNativeLog(loaded.library);
    const native = await create(loaded, model, modelFile, log);
    try {
      checkDevice(loaded, log, context);
      const vad =
        vadFile &&
        new loaded.library.WhisperVadContext({
          filePath: vadFile.path,
          useGpu: false,
          nThreads: settings.cpuThreads,
        });
      await log.settled();
      const memoryBytes = memoryInUse(log.lines);
      log.clear();
      context.progress(1);
      return openRecogniser({ model, native, log, vad, memoryBytes });
    } catch (thrown) {
      await native.release();
      log[Symbol.dispose]();
      throw thrown;
    }
  },
};

function roleOf(files: readonly LocalModelFile[], role: string, model: string): LocalModelFile {
  const file = files.find((each) => each.role === role);
  if (file) return file;
  throw new Failure('MODEL_SOURCE_MISSING', `\`${model}\` has no file of role \`${role}\`, which whisper-cpp needs`);
}

async function create(
  { library, useGpu }: LoadedLibrary,
  { kind }: SpeechModel,
  { path, filename }: LocalModelFile,
  log: NativeLog,
): Promise<NativeContext> {
  try {
    const Context = kind === 'whisper' ? library.WhisperContext : library.ParakeetContext;
    return new Context({ filePath: path, useGpu });
  } catch (cause) {
    await log.settled();
    const said = log.firstError ?? String(cause);
    log[Symbol.dispose]();
    if (log.lines.some(saysOutOfMemory)) {
      throw new Failure('VRAM_EXHAUSTED', `there is not enough memory for ${filename}: ${said}`, { cause });
    }
    throw new Failure('MODEL_INVALID', `whisper.cpp cannot load ${filename}: ${said}`, { cause });
  }
}

/** The library falls back to the CPU without a word to us; its log has the truth. */
function checkDevice({ variant, useGpu }: LoadedLibrary, log: NativeLog, { settings, log: tell }: LoadContext): void {
  const device = gpuInUse(log.lines);
  if (!useGpu) return tell('info', 'whisper-cpp computes on the CPU');
  if (device) return tell('info', `whisper-cpp computes on ${device} (${variant} build)`);
  const demanded = settings.gpu !== 'auto';
  if (demanded || (variant === 'cuda' && existsSync(NVIDIA_CARD))) {
    const why = demanded ? `gpu is set to ${settings.gpu}` : 'an NVIDIA card is there';
    throw new Failure(
      'ENGINE_UNAVAILABLE',
      `${why}, but whisper.cpp found no device and would compute on the CPU: check the driver, or set gpu to cpu`,
    );
  }
  tell('warn', `whisper-cpp found no GPU that its ${variant} build can use, so it computes on the CPU`);
}
