// One worker's socket. What must outlive an eviction of the Durable Object travels in the socket's attachment.
import { FEATURES, type Feature, TASK_KINDS, type TaskKind, type WorkerCapabilities } from '../../../protocol/index.ts';

/** What selection needs of the capabilities: small enough for an attachment, which may hold 2 KiB. */
export type Offering = {
  autoEnabled: boolean;
  onlyWhenIdle: boolean;
  idle: boolean;
  taskKinds: TaskKind[];
  vramThresholdGb: number;
  slots: Partial<Record<TaskKind, number>>;
};

/** `open`: upgraded, no hello yet. `greeting`: the hello is being checked. `ready`: welcomed. `closed`: leaves no trace. */
export type Phase = 'open' | 'greeting' | 'ready' | 'closed';

export type Session = {
  readonly socket: WebSocket;
  readonly workerId: string;
  readonly tokenHash: string;
  readonly connectedAt: number;
  phase: Phase;
  /** The hello's token was right: from here on its claims are this session's to lose. */
  trusted: boolean;
  /** Its end has been dealt with. */
  departed: boolean;
  lastSeenAt: number;
  features: Feature[];
  offering: Offering | undefined;
  /** Kinds that the worker just called busy or paused: no offers of them before its next heartbeat. */
  resting: Set<TaskKind>;
  /** Settled when the hello has been answered; frames that come earlier wait for it. */
  greeted: Promise<void>;
  /** To see whether a heartbeat changes anything worth writing. Not attached: after an eviction it is written once more. */
  capabilitiesJson: string | undefined;
};

type Attachment = {
  workerId: string;
  tokenHash: string;
  connectedAt: number;
  ready: boolean;
  lastSeenAt: number;
  features: Feature[];
  offering: Offering | undefined;
};

export function openSession(socket: WebSocket, workerId: string, tokenHash: string, now: number): Session {
  const session: Session = {
    socket,
    workerId,
    tokenHash,
    connectedAt: now,
    phase: 'open',
    trusted: false,
    departed: false,
    lastSeenAt: now,
    features: [],
    offering: undefined,
    resting: new Set(),
    greeted: Promise.resolve(),
    capabilitiesJson: undefined,
  };
  attach(session);
  return session;
}

export function attach(session: Session): void {
  const { workerId, tokenHash, connectedAt, lastSeenAt, features, offering } = session;
  const attachment: Attachment = {
    workerId,
    tokenHash,
    connectedAt,
    ready: session.phase === 'ready',
    lastSeenAt,
    features,
    offering,
  };
  session.socket.serializeAttachment(attachment);
}

/** Rebuilds the session of a socket that outlived its Durable Object; undefined for one that was already being closed. */
export function reattach(socket: WebSocket): Session | undefined {
  const attachment = socket.deserializeAttachment() as Attachment | null;
  if (attachment === null) return undefined;
  const { ready, ...kept } = attachment;
  return {
    ...kept,
    socket,
    phase: ready ? 'ready' : 'open',
    trusted: ready,
    departed: false,
    resting: new Set(),
    greeted: Promise.resolve(),
    capabilitiesJson: undefined,
  };
}

export function offeringOf(capabilities: WorkerCapabilities): Offering {
  return {
    autoEnabled: capabilities.autoEnabled,
    onlyWhenIdle: capabilities.onlyWhenIdle,
    idle: capabilities.userPresence === 'idle',
    taskKinds: TASK_KINDS.filter((kind) => capabilities.taskKinds.includes(kind)),
    vramThresholdGb: capabilities.vramThresholdGb,
    slots: capabilities.slots ?? {},
  };
}

/** What both ends named: this studio speaks every extension, so it is whatever the worker named and we know. */
export function negotiate(capabilities: WorkerCapabilities): Feature[] {
  return FEATURES.filter((feature) => capabilities.features?.includes(feature));
}
