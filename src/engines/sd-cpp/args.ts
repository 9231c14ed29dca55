// The command lines of sd-cli and sd-server. Pure: the same settings give the same arguments, in the contract's order.
import { Failure } from '../../protocol/failure.ts';
import type { CliDefaults } from '../../protocol/index.ts';
import { finite, type Generation, type VideoGeneration } from './generation.ts';
import type { Traits } from './traits.ts';

/** Paths of pictures that this run starts from; a reference image wins over an init image. */
export type InputPaths = { readonly init?: string; readonly ref?: string; readonly mask?: string };

export type Runtime = {
  readonly defaults: CliDefaults;
  readonly threads: number;
  /** A device as the binary names it; absent: the binary's own choice. */
  readonly backend?: string | undefined;
  readonly traits: Traits;
};

export type LoraArgs = {
  /** A private folder, or the empty text: then the binary does not read tags at all. */
  readonly dir: string;
  /** File names without their ending. */
  readonly names: readonly string[];
};

export type CliRun = {
  readonly modelArgs: readonly string[];
  readonly lora: LoraArgs;
  readonly generation: Generation | VideoGeneration;
  readonly inputs: InputPaths;
  readonly runtime: Runtime;
  readonly out: string;
};

export function cliArgs({ modelArgs, lora, generation, inputs, runtime, out }: CliRun): string[] {
  const video = 'frames' in generation ? generation : undefined;
  return [
    ...(video ? ['-M', 'vid_gen'] : []),
    ...modelArgs,
    ...['--lora-model-dir', lora.dir],
    ...['-p', [generation.prompt, ...lora.names.map((name) => `<lora:${name}:1>`)].join(' ')],
    ...flag('--negative-prompt', generation.negativePrompt || undefined),
    ...inputArgs(inputs, generation),
    ...['--cfg-scale', text(generation.cfgScale)],
    ...['--steps', text(generation.steps)],
    ...['-W', text(generation.width), '-H', text(generation.height)],
    ...(video ? ['--video-frames', text(video.frames), '--fps', text(video.fps)] : []),
    ...['-o', out],
    ...['--seed', text(generation.seed)],
    ...flag('--sampling-method', generation.samplingMethod),
    ...flag('--flow-shift', generation.flowShift),
    ...runtimeArgs(runtime),
  ];
}

export type ServerStart = {
  readonly modelArgs: readonly string[];
  readonly loraDir: string;
  readonly port: number;
  readonly runtime: Runtime;
};

export function serverArgs({ modelArgs, loraDir, port, runtime }: ServerStart): string[] {
  return [
    ...['--listen-ip', '127.0.0.1', '--listen-port', text(port)],
    ...modelArgs,
    ...['--lora-model-dir', loraDir],
    // Else the first job would pay for the weights, unseen by those who watch loads.
    ...(runtime.traits.eagerLoad ? ['--eager-load'] : []),
    ...runtimeArgs(runtime),
  ];
}

function inputArgs({ init, ref, mask }: InputPaths, { strength }: Generation): string[] {
  if (ref !== undefined) return ['-r', ref, ...flag('--mask', mask)];
  if (init !== undefined) return ['--init-img', init, '--strength', text(strength), ...flag('--mask', mask)];
  return [];
}

function runtimeArgs({ defaults, threads, backend, traits }: Runtime): string[] {
  const vram = defaults.maxVramGib;
  return [
    ...(defaults.zeroCondT ? zeroCondT(traits) : []),
    ...(defaults.offloadToCpu ? ['--offload-to-cpu'] : []),
    ...(defaults.mmap ? ['--mmap'] : []),
    ...flag('--max-vram', vram === undefined ? undefined : finite('maxVramGib', vram)),
    ...['-t', text(threads)],
    ...flag('--backend', backend),
    '--diffusion-fa',
  ];
}

/** The flag became a model argument with build 765, and each build refuses the other's spelling. */
function zeroCondT(traits: Traits): string[] {
  return traits.modelArgs ? ['--model-args', 'qwen_image_zero_cond_t=true'] : ['--qwen-image-zero-cond-t'];
}

function flag(name: string, value: string | number | undefined): string[] {
  return value === undefined ? [] : [name, text(value)];
}

/** Shortest form: `1`, `0.55`, `7.5`. What is not a finite number would end the binary with SIGABRT. */
function text(value: string | number): string {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new Failure('INTERNAL', `the number ${value} was about to reach a command line`);
  }
  return String(value);
}
