// The doctor's report as text: one line a thing, a mark and a word at its start, and below what is missing the line that
// says what to do. Pure.
import { aligned } from '../cli/command.ts';
import { gpuText } from './check-gpu.ts';
import type { DoctorReport, EngineCheck } from './report.ts';

/** Words beside the marks, since not every terminal shows them and not everybody sees colours. */
const MARKS = { ok: '✓ ok', ready: '✓ ready', missing: '✗ not ready', problem: '✗ problem', note: '! note' } as const;
const MARK_WIDTH = MARKS.missing.length + 2;

type Mark = keyof typeof MARKS;

/** Our clock may be this far off before anybody has to care, in s. Certificates and logs bear with a minute. */
const SKEW_SECS_MAX = 60;

export function doctorText(report: DoctorReport): string {
  const { version, node, platform, pid } = report;
  return [
    `studio-worker ${version}, Node ${node}, ${platform}${pid === undefined ? '' : `, running as pid ${pid}`}`,
    section('Engines', enginesText(report)),
    section('Machine', machineText(report)),
    section('Worker', workerText(report)),
    verdictText(report),
  ].join('\n\n');
}

function section(title: string, lines: readonly string[]): string {
  return `${title}\n${lines.map((line) => `  ${line}`).join('\n')}`;
}

function enginesText({ engines }: DoctorReport): string[] {
  const width = Math.max(...engines.map(({ id }) => id.length)) + 2;
  return engines.flatMap((engine) => {
    const lines = [line(engine.ready ? 'ready' : 'missing', `${engine.id.padEnd(width)}${whatOf(engine)}`)];
    if (!engine.ready && engine.remedy) lines.push(`${' '.repeat(MARK_WIDTH + width)}→ ${engine.remedy}`);
    return lines;
  });
}

function whatOf({ kinds, detail, backend, devices }: EngineCheck): string {
  // Most engines tell these in their own words already.
  const untold = [backend, ...(devices ?? [])].filter(
    (word) => word && !detail.toLowerCase().includes(word.toLowerCase()),
  );
  return `${kinds.join(', ')}: ${[detail, ...untold].join('; ')}`;
}

function machineText({ gpu, memory, disks }: DoctorReport): string[] {
  const lines: string[] = [];
  if (gpu.totalGb > 0) lines.push(line('ok', `GPU memory ${gpu.totalGb} GiB, read from ${gpu.source}`));
  else lines.push(line('note', 'no GPU found; models compute on the CPU and live in RAM'));
  for (const device of gpu.devices) {
    lines.push(line('ok', `GPU ${gpuText(device)}${gpu.driver === undefined ? '' : `, driver ${gpu.driver}`}`));
  }
  for (const warning of gpu.warnings) lines.push(line('note', warning));
  lines.push(
    line('ok', `RAM ${memory.ramGb} GiB, ${memory.freeRamGb} GiB free; models may fill ${memory.budgetGb} GiB`),
  );
  for (const { what, path, exists, freeGb, problem } of disks) {
    const there = exists ? '' : ' (made when it is needed)';
    const text = problem ?? `${freeGb} GiB free`;
    lines.push(line(problem === undefined ? 'ok' : 'problem', `${what} ${path}${there}: ${text}`));
  }
  return lines;
}

function workerText({ config, ports, studio, service, pid }: DoctorReport): string[] {
  const lines: string[] = [];
  if (config.problem !== undefined) lines.push(line('problem', `configuration: ${config.problem}`));
  else
    lines.push(line('ok', `configuration ${config.path}${config.exists ? '' : ' (not written yet; `run` makes it)'}`));
  for (const warning of config.warnings) lines.push(line('note', warning));
  if (studio) lines.push(...studioText(studio));
  for (const { key, port, free, why } of ports) {
    if (free) lines.push(line('ok', `${key} ${port} is free`));
    else if (why !== 'EADDRINUSE') lines.push(line('problem', `${key} ${port} cannot be used (${why})`));
    else if (pid !== undefined) lines.push(line('ok', `${key} ${port} is in use, most likely by the running worker`));
    else lines.push(line('note', `${key} ${port} is in use by another program; choose another in the configuration`));
  }
  lines.push(line('ok', `service manager: ${service.manager} (${service.hint})`));
  return lines;
}

function studioText(studio: NonNullable<DoctorReport['studio']>): string[] {
  const { url, reachable, status, clockSkewSecs, problem } = studio;
  if (!reachable) return [line('problem', `studio ${url} cannot be reached (${problem})`)];
  const lines = [line(problem ? 'note' : 'ok', `studio ${url} answers (${status})${problem ? `: ${problem}` : ''}`)];
  if (clockSkewSecs !== undefined && Math.abs(clockSkewSecs) > SKEW_SECS_MAX) {
    const way = clockSkewSecs > 0 ? 'ahead of' : 'behind';
    lines.push(line('problem', `the clock is ${Math.abs(clockSkewSecs)} s ${way} the studio's: set it, e.g. with NTP`));
  }
  return lines;
}

function verdictText({ canWork, problems, engines }: DoctorReport): string {
  if (!canWork) return aligned(problems.map((problem) => ['cannot work', problem] as const));
  const real = engines.filter(({ id, ready }) => ready && id !== 'synthetic').map(({ id }) => id);
  return `can work, with ${real.join(', ')}`;
}

function line(mark: Mark, text: string): string {
  return `${MARKS[mark].padEnd(MARK_WIDTH)}${text}`;
}
