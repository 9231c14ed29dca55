// engines.json: what the last probes found, so that a restart advertises at once instead of after several seconds of
// loading libraries. It is only a memory: a missing, unreadable or outdated file means that nothing is known yet.
import { readFile } from 'node:fs/promises';
import type { PoolChoices } from '../../workers/pool-home.ts';
import { parseProbeReport } from '../../workers/probe-report.ts';
import type { EngineDescriptor, EngineSettings, ProbeReport } from '../../workers/types.ts';
import { writeFileAtomically } from '../config/write-file.ts';

/** By engine id. */
export type Reports = ReadonlyMap<string, ProbeReport>;

/** Far above what all engines can say; a larger file is not ours. */
const BYTES_MAX = 256 * 1024;

/** What a report depends on besides the machine: with another program, runtime or setting it says nothing. */
export function cacheKey(version: string, { gpu, modelsRoot }: EngineSettings, pools: PoolChoices = {}): string {
  const own = Object.entries(pools).flatMap(([kind, choice]) =>
    choice.gpu === undefined && choice.device === undefined ? [] : [`${kind}=${choice.gpu}/${choice.device}`],
  );
  const machine = `${process.platform}-${process.arch}`;
  return [version, process.version, machine, `gpu=${gpu}`, ...own, modelsRoot].join(' ');
}

/** Reports of these very engines under this very key. Never rejects. */
export async function readProbeCache(
  file: string,
  key: string,
  engines: readonly EngineDescriptor[],
): Promise<Map<string, ProbeReport>> {
  const reports = new Map<string, ProbeReport>();
  const kept = await readKept(file);
  if (kept?.key !== key) return reports;
  for (const { id, probeUrl } of engines) {
    const entry = kept.engines?.[id];
    if (entry === undefined || probeUrl === undefined || entry.probeUrl !== probeUrl) continue;
    const report = parseProbeReport(entry.report);
    if (report) reports.set(id, report);
  }
  return reports;
}

/** Rejects when the file cannot be written. */
export async function writeProbeCache(
  file: string,
  key: string,
  engines: readonly EngineDescriptor[],
  reports: Reports,
): Promise<void> {
  const known = engines.filter(({ id }) => reports.has(id));
  const entries = known.map(({ id, probeUrl }) => [id, { probeUrl, report: reports.get(id) }]);
  const text = JSON.stringify({ key, engines: Object.fromEntries(entries) }, null, 2);
  await writeFileAtomically(file, `${text}\n`);
}

type Kept = { key?: unknown; engines?: Record<string, { probeUrl?: unknown; report?: unknown } | undefined> };

async function readKept(file: string): Promise<Kept | undefined> {
  try {
    const bytes = await readFile(file);
    if (bytes.length > BYTES_MAX) return undefined;
    const value = JSON.parse(bytes.toString('utf8')) as unknown;
    return typeof value === 'object' && value !== null ? (value as Kept) : undefined;
  } catch {
    return undefined;
  }
}
