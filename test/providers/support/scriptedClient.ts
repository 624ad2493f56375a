/** A client whose server follows a script. */
import assert from "node:assert/strict";
import { FlyClient, type ClientOptions } from "../../../providers/fly/api/client.ts";
import { FlyError } from "../../../providers/fly/api/errors.ts";
import { RateLimiter } from "../../../providers/fly/api/rateLimits.ts";
import { startScriptedServer, type Answer, type ScriptedServer } from "./scriptedServer.ts";

export const TOKEN = "fo1_not-a-token-of-anyone";
export const OK: Answer = { body: { ok: true } };

/** Limits nothing: other tests cover the limits. */
class NoLimit extends RateLimiter {
    override pass(): Promise<void> {
        return Promise.resolve();
    }
}

/** Create it inside `describe`: it registers hooks. */
export class ScriptedClient {
    server: ScriptedServer | undefined;

    constructor() {
        afterEach(async () => {
            await this.server?.close();
            this.server = undefined;
        });
    }

    async serve(
        script: Parameters<typeof startScriptedServer>[0],
        options: Partial<ClientOptions> = {},
    ): Promise<FlyClient> {
        this.server = await startScriptedServer(script);
        return new FlyClient({
            endpoint: this.server.endpoint,
            token: TOKEN,
            minPauseMs: 1,
            limiter: new NoLimit(),
            ...options,
        });
    }

    get callsSeen(): number {
        return this.server?.calls.length ?? 0;
    }
}

/** The error that `promise` must be rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<FlyError> {
    const error = await promise.then(
        () => assert.fail("did not fail"),
        (failure: unknown) => failure,
    );
    assert.ok(error instanceof FlyError, String(error));
    return error;
}
