import { answerOf, ApiError, json, pageNotFound, refusal, type Answer } from './answers.ts';
import { routes, unanswered } from './api/routes.ts';
import { authenticate } from './authenticate.ts';
import type { VerifyIdToken } from './id-token.ts';
import { findRoute } from './routing.ts';
import type { Log } from '../running.ts';
import type { World } from './world.ts';

/** A request, whatever protocol carried it. `url` is the path with its query. */
export interface RestRequest {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly body: string;
}

/** Answers one request to the REST API. Never throws: an error of our own is a 500, as with the real server. */
export async function answerRest(
  request: RestRequest,
  world: World,
  verify: VerifyIdToken,
  log: Log,
): Promise<Answer> {
  try {
    return await answer(request, world, verify);
  } catch (error) {
    if (error instanceof ApiError) return answerOf(error);
    log(
      `ERRO ${request.method} ${request.url.split('?')[0]}: ${error instanceof Error ? error.message : ''}`,
    );
    return answerOf(refusal(500, 'internal server error'));
  }
}

async function answer(request: RestRequest, world: World, verify: VerifyIdToken): Promise<Answer> {
  const url = new URL(request.url, 'http://management');
  if (request.method === 'GET' && url.pathname === '/api/instance') return json({ setup_required: false });
  if (request.method === 'POST' && url.pathname === '/api/setup') throw refuseSetup(request.body);
  const found = findRoute(routes, request.method, url.pathname);
  if (found === undefined) {
    if (!unanswered.some((pattern) => pattern.test(url.pathname))) return pageNotFound;
    throw refusal(501, `${request.method} ${url.pathname} is not answered by this stand-in`);
  }
  const caller = await authenticate(request.authorization, world, verify);
  return found.route.handle(
    { params: found.params, query: url.searchParams, body: request.body, caller },
    world,
  );
}

/** With an external issuer nothing can be set up: the real server fails, after it has read the body. */
function refuseSetup(body: string): ApiError {
  try {
    JSON.parse(body);
    return refusal(500, 'internal server error');
  } catch {
    return refusal(400, 'invalid request body');
  }
}
