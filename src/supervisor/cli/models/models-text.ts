// The catalogue as a table for people. Pure.
import type { ListedModel } from './catalogue-access.ts';

const HEAD = ['id', 'kind', 'engine', 'GiB', 'state', ''] as const;

export function modelsText(models: readonly ListedModel[]): string {
  if (models.length === 0) return 'the catalogue is empty';
  const rows = [HEAD, ...models.map(rowOf)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function rowOf(model: ListedModel): string[] {
  const { id, kind, source, vramGbEstimate } = model;
  const gib = vramGbEstimate === 0 ? '?' : String(vramGbEstimate);
  return [id, kind, source.engine, gib, stateOf(model), remarksOf(model).join(', ')];
}

function stateOf({ state, phase, progress, etaSeconds }: ListedModel): string {
  if (state === undefined) return '-';
  if (state !== 'loading') return state;
  const ratio = progress === undefined ? '' : ` ${Math.floor(progress * 100)} %`;
  const left = etaSeconds === undefined ? '' : `, ${etaSeconds} s left`;
  return `${phase ?? 'loading'}${ratio}${left}`;
}

function remarksOf({ resident, enabled, origin, exclusiveGroup, loadable, error }: ListedModel): string[] {
  return [
    ...(resident ? ['resident'] : []),
    ...(enabled ? [] : ['disabled']),
    ...(origin === 'studio' ? ['from a studio'] : []),
    ...(exclusiveGroup === undefined ? [] : [`group ${exclusiveGroup}`]),
    ...(enabled && loadable === false ? ['its engine is not ready here'] : []),
    ...(error === undefined ? [] : [error]),
  ];
}
