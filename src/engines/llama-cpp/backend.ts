// Opens llama.cpp on the compute backend that the operator chose. `auto` takes the best that has a device; any other
// choice is met or fails, and never becomes the CPU.
import { getLlama, type Llama, LlamaLogLevel } from 'node-llama-cpp';
import { Failure } from '../../protocol/failure.ts';
import type { EngineLogLevel, EngineSettings, GpuChoice } from '../engine.ts';

export type BackendName = Exclude<GpuChoice, 'auto'>;

export type Backend = {
  readonly llama: Llama;
  readonly name: BackendName;
  readonly devices: readonly string[];
  /** The last errors that the library wrote, oldest first: its exceptions say only that something failed. */
  readonly errors: readonly string[];
};

export type Log = (level: EngineLogLevel, message: string) => void;

const ERRORS_KEPT = 10;

export const REMEDY: Readonly<Record<BackendName, string>> = {
  cuda: "install NVIDIA's driver and the CUDA runtime (libcudart, libcublas) of version 12 or 13",
  vulkan: 'install libvulkan1 and a Vulkan driver of the GPU (Debian: mesa-vulkan-drivers; NVIDIA: its own driver)',
  metal: 'Metal is there on macOS alone',
  cpu: 'reinstall studio-worker for this machine, so that npm fetches the binaries of node-llama-cpp for it',
};

export async function openBackend({ gpu, cpuThreads }: EngineSettings, log: Log): Promise<Backend> {
  // The library takes `metal` elsewhere for `auto`.
  if (gpu === 'metal' && process.platform !== 'darwin') throw unavailable(gpu, 'this is not macOS');
  const errors: string[] = [];
  const llama = await open(gpu, cpuThreads, (level, message) => {
    if (level === 'error') errors.push(message);
    if (errors.length > ERRORS_KEPT) errors.shift();
    log(level, message);
  });
  const devices = llama.gpu === false ? [] : await llama.getGpuDeviceNames();
  if (gpu !== 'auto' && gpu !== (llama.gpu || 'cpu')) {
    await llama.dispose();
    throw unavailable(gpu, `llama.cpp came up with ${llama.gpu || 'the CPU'} instead`);
  }
  if (gpu !== 'auto' && gpu !== 'cpu' && devices.length === 0) {
    await llama.dispose();
    throw unavailable(gpu, 'it finds no device');
  }
  // A backend's library may be there without a device, as Vulkan's loader is on many a server.
  const name = llama.gpu !== false && devices.length > 0 ? llama.gpu : 'cpu';
  return { llama, name, devices, errors };
}

async function open(gpu: GpuChoice, cpuThreads: number, log: Log): Promise<Llama> {
  try {
    return await getLlama({
      gpu: gpu === 'cpu' ? false : gpu,
      // A build takes many minutes, downloads sources, and would be the first job's surprise.
      build: 'never',
      skipDownload: true,
      progressLogs: false,
      // ggml waits actively at its barriers: one thread more than there are cores costs a hundredfold.
      maxThreads: cpuThreads,
      logLevel: LlamaLogLevel.warn,
      logger(level, message) {
        const text = message.trim();
        if (text === '') return;
        const isError = level === LlamaLogLevel.error || level === LlamaLogLevel.fatal;
        log(isError ? 'error' : level === LlamaLogLevel.warn ? 'warn' : 'info', text);
      },
    });
  } catch (cause) {
    const why = cause instanceof Error && cause.message !== 'NoBinaryFoundError' ? cause.message : undefined;
    throw unavailable(gpu === 'auto' ? 'cpu' : gpu, why ?? 'none of its prebuilt binaries runs on this machine', cause);
  }
}

function unavailable(name: BackendName, why: string, cause?: unknown): Failure {
  const message = `llama.cpp cannot compute with ${name} here: ${why}; ${REMEDY[name]}`;
  return new Failure('ENGINE_UNAVAILABLE', message, { cause });
}
