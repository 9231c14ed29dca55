// The door of src/protocol: everything that a worker and a studio say to each other. Pure schemas, types and tables.
export { FEATURES, type Feature, UserPresence, WorkerCapabilities } from './capabilities.ts';
export { API_PREFIX, CloseCode, closeCodeOf, ErrorCode, FRAME_BYTES_MAX, SUBPROTOCOL } from './close-code.ts';
export { FAILURES, Failure, type FailureCode, type FailureReport, isFailureCode, toFailure } from './failure.ts';
export { RejectCode, StudioFrame, WorkerFrame } from './frames.ts';
export { Id, isSafeId } from './ids.ts';
export { JobClaim } from './job-claim.ts';
export { LogEntry, LogLevel } from './log-entry.ts';
export { mimeForExt } from './mime.ts';
export { CliDefaults, EngineId, ModelFile, ModelSource } from './model-source.ts';
export {
  describeIssues,
  type FrameMisfit,
  type ParsedFrame,
  parseStudioFrame,
  parseWorkerFrame,
} from './parse-frame.ts';
export { AuthToken, RegisterCreated, RegisterRequest, RegisterStatus } from './registration.ts';
export {
  ChatMessage,
  fullPrompt,
  ImageTask,
  LlmTask,
  SttTask,
  TASK_KINDS,
  Task,
  TaskKind,
  TtsTask,
  VideoTask,
} from './task.ts';
