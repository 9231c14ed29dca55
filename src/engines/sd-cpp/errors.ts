// What the end of a binary means: exit codes, signals and last words in, a failure out whose message says what to do.
// Pure. The last line is often not the cause, and the cause of a missing side file is a warning on stdout, so all
// telling lines are looked at.
import { Failure, type FailureCode } from '../../protocol/failure.ts';
import type { Exit } from './program.ts';
import { VULKAN_REMEDY } from './vulkan.ts';

type Rule = { readonly sign: RegExp; readonly code: FailureCode; readonly hint: string };

/** Looked through in this order; the first sign that any line carries decides. */
const RULES: readonly Rule[] = [
  {
    sign: /bad_alloc|out of (device |host )?memory|ErrorOutOf(Device|Host|Pool)Memory|cudaMalloc failed|failed to allocate/i,
    code: 'VRAM_EXHAUSTED',
    hint: 'memory ran out; ask for a smaller picture, or use `offloadToCpu` or `maxVramGib` with this model',
  },
  { sign: /libvulkan\.so/, code: 'ENGINE_UNAVAILABLE', hint: VULKAN_REMEDY },
  {
    sign: /error while loading shared libraries|cannot open shared object file|Library not loaded|GLIBC/,
    code: 'ENGINE_UNAVAILABLE',
    hint: 'install the library that it names, or a build made for this system',
  },
  {
    sign: /backend config failed|backend '.*' was not found/,
    code: 'ENGINE_UNAVAILABLE',
    hint: 'check the graphics driver, and compare with what `sd-cli --list-devices` prints',
  },
  {
    sign: /unknown argument|invalid argument: --/,
    code: 'ENGINE_UNAVAILABLE',
    hint: 'this build of stable-diffusion.cpp does not know a flag that the model needs; install a newer one',
  },
  {
    sign: /load image from '.*' failed/,
    code: 'INPUT_INVALID',
    hint: 'an input picture could not be read',
  },
  {
    sign: /file .* not found/,
    code: 'MODEL_SOURCE_MISSING',
    hint: 'a model file has gone; delete the folder of the model to fetch it again',
  },
  {
    sign: /unknown format|data offsets out of bounds|gguf_init_from_reader|not in model metadata|has wrong shape in model|model metadata validation failed|get sd version from file failed|loading .* from '.*' failed|new_sd_ctx_t failed/,
    code: 'MODEL_INVALID',
    hint: 'a file is damaged, or is not a model of this kind; check the files of the model source and their sha256',
  },
  {
    sign: /does not support (vid_gen|img_gen)/,
    code: 'MODEL_INVALID',
    hint: 'a video model makes only videos, and an image model only images',
  },
  {
    sign: /No space left|disk full/i,
    code: 'DISK_FULL',
    hint: 'free some disk space',
  },
];

/** Signals by which a crash shows itself, for people who do not know their names. */
const SIGNAL_HINT: Readonly<Partial<Record<NodeJS.Signals, string>>> = {
  SIGSEGV: 'it read memory that is not its own, usually because a text encoder or VAE of the model is missing',
  SIGABRT: 'an assertion failed, usually a size that the model cannot make, or a model of another kind',
  SIGFPE: 'it divided by zero, usually because a video model was asked for a picture',
  SIGKILL: 'something else killed it, usually the system because memory ran out',
};

export type Ending = {
  /** `sd-cli` or `sd-server`. */
  readonly name: string;
  readonly exit: Exit;
  /** What it printed last, both streams, without bars. */
  readonly lines: readonly string[];
};

/** For an end that was not asked for, or an exit code other than 0. */
export function endFailure({ name, exit, lines }: Ending): Failure {
  const how = exit.signal ? `was ended by ${exit.signal}` : `exited with ${exit.code}`;
  const cause = causeIn(lines);
  const said = lastWords(lines, cause?.line);
  const hint = cause?.rule.hint ?? (exit.signal ? SIGNAL_HINT[exit.signal] : undefined);
  const code = cause?.rule.code ?? (exit.signal ? 'ENGINE_CRASHED' : 'ENGINE_FAILED');
  return new Failure(code, `${name} ${how}${said ? `: ${said}` : ''}${hint ? ` (${hint})` : ''}`);
}

/** For words without an end: an answer of the server that says no. */
export function wordsFailure(what: string, lines: readonly string[], fallback: FailureCode): Failure {
  const cause = causeIn(lines);
  const said = lastWords(lines, cause?.line);
  const hint = cause ? ` (${cause.rule.hint})` : '';
  return new Failure(cause?.rule.code ?? fallback, `${what}${said ? `: ${said}` : ''}${hint}`);
}

/**
 * For a binary that goes on without a file that it could not load: a warning on stdout, and a picture that has nothing to
 * do with the prompt.
 */
export function sideFileFailure(lines: readonly string[]): Failure | undefined {
  const line = lines.find((one) => /^(loading .* from '.*' failed|can ?not found? lora )/.test(one));
  return line === undefined ? undefined : wordsFailure('a file of the model was left out', [line], 'MODEL_INVALID');
}

/** For a binary that does not even answer `--version`. */
export function startFailure(file: string, question: string, words: string): Failure {
  const failure = wordsFailure(`\`${file} ${question}\` failed`, words.split(/\r?\n/), 'ENGINE_UNAVAILABLE');
  return new Failure('ENGINE_UNAVAILABLE', failure.message);
}

type Cause = { readonly rule: Rule; readonly line: string };

function causeIn(lines: readonly string[]): Cause | undefined {
  for (const rule of RULES) {
    const line = lines.find((one) => rule.sign.test(one));
    if (line !== undefined) return { rule, line };
  }
  return undefined;
}

const LAST_LINES = 3;
const LINE_CHARS_MAX = 200;

/** The last telling lines in one, and the cause before them, with paths of this machine cut down to file names. */
export function lastWords(lines: readonly string[], cause?: string): string {
  // Usage text and stacks are indented.
  const last = lines.filter((line) => /^\S|what\(\)/.test(line)).slice(-LAST_LINES);
  const words = cause === undefined || last.includes(cause) ? last : [cause, ...last.slice(1)];
  return words.map((line) => withoutFolders(line.trim()).slice(0, LINE_CHARS_MAX)).join('; ');
}

function withoutFolders(line: string): string {
  return line.replace(/(^|['"\s=])(?:[A-Za-z]:)?[\\/](?:[^\\/'"\s]+[\\/])+([^\\/'"\s]+)/g, '$1$2');
}
