// What one run will make: the task's wishes, the model's defaults, the rules of the contract, and every number checked.
// Pure. A number that reaches the binary unchecked is a SIGABRT there, and not a usage error.
import { Failure, type FailureCode } from '../../protocol/failure.ts';
import type { CliDefaults, ImageTask, VideoTask } from '../../protocol/index.ts';
import { safePrompt } from './prompt.ts';
import { isSampler, samplerNames } from './samplers.ts';

export type Generation = {
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly width: number;
  readonly height: number;
  readonly steps: number;
  readonly cfgScale: number;
  readonly seed: number;
  readonly samplingMethod?: string;
  readonly flowShift?: number;
  /** How much of an init image is painted over, 0 to 1. */
  readonly strength: number;
};

export type VideoGeneration = Generation & { readonly frames: number; readonly fps: number };

/** The limits that sd-server states among its capabilities and that neither binary enforces. */
const SIDE_MIN = 64;
const SIDE_MAX = 4096;
const SIDE_DEFAULT = 1024;
/** sd-server silently clamps to this. */
const STEPS_MAX = 100;
const STEPS_DEFAULT = 8;
/** The contract reads a task's 20 as "not chosen", since that is what an absent value becomes. */
const STEPS_UNCHOSEN = 20;
const CFG_MAX = 100;
const STRENGTH_DEFAULT = 0.75;
/** The frame rate that Wan models were trained at. */
const FPS_DEFAULT = 16;
const FPS_MAX = 60;
/** 25 seconds at 16 frames a second: five times what current models stay coherent for. */
const FRAMES_MAX = 401;
/** One frame would be written as a PNG file, whatever was asked. */
const FRAMES_MIN = 5;

export function imageGeneration(task: ImageTask, defaults: CliDefaults, randomSeed: () => number): Generation {
  const steps = task.steps !== 0 && task.steps !== STEPS_UNCHOSEN ? task.steps : defaults.steps || STEPS_DEFAULT;
  return {
    ...common(task, defaults),
    cfgScale: cfgScale(task.cfgScale, defaults),
    steps: within('steps', steps, 1, STEPS_MAX),
    seed: task.seed === undefined ? randomSeed() : signedSeed(task.seed),
    ...sampler(task.samplingMethod, defaults),
    strength: within('denoise', task.denoise ?? STRENGTH_DEFAULT, 0, 1),
  };
}

export function videoGeneration(task: VideoTask, defaults: CliDefaults, randomSeed: () => number): VideoGeneration {
  const fps = Math.round(within('fps', task.fps ?? FPS_DEFAULT, 1, FPS_MAX));
  return {
    ...common(task, defaults),
    cfgScale: cfgScale(undefined, defaults),
    steps: within('steps', defaults.steps || STEPS_DEFAULT, 1, STEPS_MAX),
    seed: randomSeed(),
    ...sampler(undefined, defaults),
    strength: STRENGTH_DEFAULT,
    fps,
    frames: framesOf(task.seconds, fps),
  };
}

/** Video models make 4n + 1 frames, and the binary rounds down to that; the nearest such number is closer to the wish. */
export function framesOf(seconds: number, fps: number): number {
  if (!(Number.isFinite(seconds) && seconds > 0)) {
    throw new Failure('INPUT_INVALID', `a video of ${seconds} seconds has no frames`);
  }
  const frames = Math.max(FRAMES_MIN, 4 * Math.round((seconds * fps - 1) / 4) + 1);
  if (frames <= FRAMES_MAX) return frames;
  throw new Failure('INPUT_INVALID', `${frames} frames are too many: sd-cpp makes at most ${FRAMES_MAX} in one video`);
}

type Wishes = { prompt: string; negativePrompt?: string | undefined; width: number; height: number };

function common(
  task: Wishes,
  defaults: CliDefaults,
): Pick<Generation, (keyof Wishes & keyof Generation) | 'flowShift'> {
  return {
    prompt: safePrompt(task.prompt, 'prompt'),
    negativePrompt: safePrompt(task.negativePrompt ?? '', 'negative prompt'),
    width: side('width', task.width || defaults.width || SIDE_DEFAULT),
    height: side('height', task.height || defaults.height || SIDE_DEFAULT),
    ...(defaults.flowShift !== undefined && { flowShift: finite('flowShift', defaults.flowShift) }),
  };
}

function side(name: string, value: number): number {
  return within(name, value, SIDE_MIN, SIDE_MAX, Number.isInteger);
}

function cfgScale(asked: number | undefined, defaults: CliDefaults): number {
  const scale = asked !== undefined && !(asked <= 0) ? asked : defaults.cfgScale > 0 ? defaults.cfgScale : 1;
  return within('cfgScale', scale, 0, CFG_MAX);
}

function sampler(asked: string | undefined, defaults: CliDefaults): Pick<Generation, 'samplingMethod'> {
  const name = asked || defaults.samplingMethod;
  if (!name) return {};
  if (isSampler(name)) return { samplingMethod: name };
  const code: FailureCode = asked ? 'INPUT_INVALID' : 'MODEL_INVALID';
  throw new Failure(code, `unknown sampler \`${name}\`; sd-cpp has: ${samplerNames()}`);
}

/** The binary takes a signed 64-bit number and reads a negative one as "random", so the top bit is left out. */
function signedSeed(seed: number): number {
  if (!(Number.isInteger(seed) && seed >= 0)) throw new Failure('INPUT_INVALID', `seed ${seed} is not a whole number`);
  return Number(BigInt.asUintN(63, BigInt(seed)));
}

function within(name: string, value: number, min: number, max: number, also = Number.isFinite): number {
  if (also(value) && value >= min && value <= max) return value;
  throw new Failure('INPUT_INVALID', `${name} ${value} is out of range: it may be ${min} to ${max}`);
}

export function finite(name: string, value: number): number {
  if (Number.isFinite(value)) return value;
  throw new Failure('MODEL_INVALID', `the model's ${name} is not a number`);
}
