// Passes every change of a model on to those who follow the worker's events, such as the dashboard.
import type { EventHub } from '../activity/types.ts';
import type { ModelChange, ModelRemoved, Models } from './types.ts';

export function publishModels(models: Pick<Models, 'changes'>, events: Pick<EventHub, 'publish'>): void {
  models.changes.addEventListener('change', (event) => {
    const { detail: model } = event as ModelChange;
    events.publish('model', { id: model.id, model });
  });
  models.changes.addEventListener('removed', (event) => {
    const { detail } = event as ModelRemoved;
    events.publish('model', { id: detail.id, model: null });
  });
}
