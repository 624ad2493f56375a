/** A local Fly for the providers, and access behind their back. */
import assert from "node:assert/strict";
import { startLocalFly, type LocalFly, type LocalFlyOptions } from "../../../dev/fly/index.ts";
import type { FaultRule } from "../../../dev/fly/faults.ts";
import type { Owner } from "../../../providers/fly/ownership.ts";
import type { MachineInputs } from "../../../providers/fly/machine/inputs.ts";
import { Api } from "../../../dev/harness/api.ts";
import { LISTEN } from "../../support/liveMachine.ts";
import { Wire } from "./wire.ts";
import { until } from "../../../dev/harness/until.ts";

export const OWNER: Owner = { project: "appkata-mqtt", stack: "dev" };
export const STRANGER: Owner = { project: "appkata-mqtt", stack: "prod" };

export class FlyFixture {
    readonly fly: LocalFly;
    readonly api: Api;
    readonly wire = new Wire();
    readonly #token: string | undefined;

    constructor(fly: LocalFly) {
        this.fly = fly;
        this.api = new Api(fly);
        this.#token = process.env.FLY_API_TOKEN;
        // Where the providers look for it if the stack's config has none.
        process.env.FLY_API_TOKEN = fly.token;
    }

    static async start(options: LocalFlyOptions = {}): Promise<FlyFixture> {
        return new FlyFixture(await startLocalFly(options));
    }

    get endpoint(): string {
        return this.fly.endpoint;
    }

    /** Fails if a request or an answer does not match Fly's document. */
    async close(): Promise<void> {
        this.wire.end();
        if (this.#token === undefined) {
            delete process.env.FLY_API_TOKEN;
        } else {
            process.env.FLY_API_TOKEN = this.#token;
        }
        await this.fly.close();
        assert.deepEqual([...this.wire.problems], []);
    }

    async fault(...rules: FaultRule[]): Promise<void> {
        this.wire.checkAnswers = false;
        await this.api.ok("POST", "/_local/faults", { rules });
    }

    async noFaults(): Promise<void> {
        await this.api.ok("DELETE", "/_local/faults");
        this.wire.checkAnswers = true;
    }

    /** Deletes an app by hand, and waits until it is gone. */
    async deleteApp(app: string): Promise<void> {
        await this.api.ok("DELETE", `/apps/${app}`);
        await until(
            `app ${app} is gone`,
            async () => (await this.api.call("GET", `/apps/${app}`)).status === 404,
        );
    }

    /** The requests that `work` makes, one per line: `POST /v1/apps 201`. */
    async requestsOf(work: () => Promise<unknown>): Promise<string[]> {
        await this.api.ok("DELETE", "/_local/journal");
        await work();
        const { entries } = await this.api.ok<{
            entries: { method: string; path: string; status: number }[];
        }>("GET", "/_local/journal");
        return entries
            .filter(({ path }) => path.startsWith("/v1/"))
            .map(({ method, path, status }) => `${method} ${path.split("?")[0]} ${status}`);
    }
}

/** A machine that answers on its health check's port. */
export function brokerLike(
    fixture: FlyFixture,
    app: string,
    image: string,
    change: Partial<MachineInputs> = {},
): MachineInputs {
    return {
        endpoint: fixture.endpoint,
        app,
        name: "mosquitto",
        region: "lhr",
        owner: OWNER,
        timeouts: { create: 30, update: 30, delete: 30 },
        config: {
            image,
            init: { cmd: ["/bin/sh", "-c", LISTEN] },
            guest: { cpu_kind: "shared", cpus: 1, memory_mb: 256 },
            checks: { mqtt: { type: "tcp", port: 1883, interval: "1s", timeout: "1s" } },
            restart: { policy: "always" },
            stop_config: { signal: "SIGTERM", timeout: "5s" },
        },
        ...change,
    };
}

/** Never listens: its health check stays critical. */
export const DEAF = ["/bin/sh", "-c", "trap 'exit 0' TERM; while true; do sleep 1 & wait; done"];

/** The outputs, which every create and update here must return. */
export function outsOf<T>(result: { outs?: T }): T {
    assert.ok(result.outs);
    return result.outs;
}

/** The error that `promise` must be rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
    const error = await promise.then(
        () => assert.fail("did not fail"),
        (failure: unknown) => failure,
    );
    assert.ok(error instanceof Error, String(error));
    return error;
}
