// Reads one text message of a session. It never throws: what came in is a frame, or one of three named misfits.
import type { z } from 'zod';
import { StudioFrame, WorkerFrame } from './frames.ts';

export type FrameMisfit =
  /** A frame type of a later version: to be logged once and ignored. */
  | { kind: 'unknown-type'; type: string }
  /** An offer that names its job but is otherwise wrong: to be answered with a reject. */
  | { kind: 'bad-offer'; jobId: string; problem: string }
  /** Anything else that is not a frame: the session cannot go on. */
  | { kind: 'invalid'; problem: string };

export type ParsedFrame<Frame> = { kind: 'frame'; frame: Frame } | FrameMisfit;

export function parseStudioFrame(text: string): ParsedFrame<StudioFrame> {
  return parseFrame(StudioFrame, STUDIO_TYPES, text);
}

export function parseWorkerFrame(text: string): ParsedFrame<WorkerFrame> {
  return parseFrame(WorkerFrame, WORKER_TYPES, text);
}

const STUDIO_TYPES = typesOf(StudioFrame);
const WORKER_TYPES = typesOf(WorkerFrame);

function typesOf(union: typeof StudioFrame | typeof WorkerFrame): ReadonlySet<string> {
  return new Set(union.options.map((option) => option.shape.type.value as string));
}

function parseFrame<Frame>(schema: z.ZodType<Frame>, types: ReadonlySet<string>, text: string): ParsedFrame<Frame> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: 'invalid', problem: 'not JSON' };
  }
  const type = property(value, 'type');
  if (typeof type !== 'string') return { kind: 'invalid', problem: 'no "type"' };
  if (!types.has(type)) return { kind: 'unknown-type', type: type.slice(0, 64) };
  const parsed = checked(schema, value);
  if (parsed === undefined) return { kind: 'invalid', problem: `${type}: nested too deeply` };
  if (parsed.success) return { kind: 'frame', frame: parsed.data };
  const problem = describeIssues(parsed.error);
  const jobId = type === 'offer' ? property(property(value, 'claim'), 'jobId') : undefined;
  if (typeof jobId === 'string' && jobId !== '' && jobId.length <= 256) return { kind: 'bad-offer', jobId, problem };
  return { kind: 'invalid', problem: `${type}: ${problem}` };
}

/** `undefined` when the value is nested so deeply that checking it ran out of stack, which the peer must not decide. */
function checked<Frame>(schema: z.ZodType<Frame>, value: unknown): z.ZodSafeParseResult<Frame> | undefined {
  try {
    return schema.safeParse(value);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** The first few problems as one line, e.g. `claim.task.width: expected number`. Never quotes a value: it may be a secret. */
export function describeIssues(error: z.ZodError): string {
  const lines = error.issues.slice(0, 4).map((issue) => `${issue.path.join('.') || 'value'}: ${issue.message}`);
  return lines.join('; ');
}

function property(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}
