// What a worker says of itself in `hello`, in every heartbeat and when it registers.
import { z } from 'zod';
import { absent, defaulted } from './absent.ts';
import { TaskKind } from './task.ts';

/** Extensions to the upstream protocol, each used only when worker and studio both named it (docs/protocol.md). */
export const FEATURES = ['multi-offer', 'progress', 'cancel', 'resume'] as const;
export type Feature = (typeof FEATURES)[number];

export const UserPresence = z.enum(['idle', 'active']);

const perKind = <T extends z.ZodType>(value: T) => z.partialRecord(TaskKind, value);

/** Memory figures are in GiB. `slots` is how many jobs of a kind may run here at one time. */
export const WorkerCapabilities = z.object({
  machineName: z.string(),
  username: z.string(),
  agentVersion: z.string(),
  engine: z.string(),
  vramTotalGb: z.number(),
  vramThresholdGb: z.number(),
  autoEnabled: z.boolean(),
  autoStart: z.boolean(),
  autoUpdate: defaulted(z.boolean(), true),
  startMinimised: defaulted(z.boolean(), true),
  onlyWhenIdle: defaulted(z.boolean(), false),
  userPresence: absent(UserPresence),
  supportedModels: z.array(z.string()),
  taskKinds: defaulted(z.array(TaskKind), []),
  supportedModelsPerKind: defaulted(perKind(z.array(z.string())), {}),
  label: absent(z.string()),
  features: absent(z.array(z.string())),
  slots: absent(perKind(z.number().int().min(0))),
});
export type WorkerCapabilities = z.infer<typeof WorkerCapabilities>;
