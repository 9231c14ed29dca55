// The event stream, for the operator: server-sent events, straight from the Durable Object.
import { Hono } from 'hono';
import { connectionsOf, type Env } from '../env.ts';

export const eventRoutes = new Hono<{ Bindings: Env }>();

eventRoutes.get('/events', (c) => connectionsOf(c.env).fetch('https://studio/events'));
