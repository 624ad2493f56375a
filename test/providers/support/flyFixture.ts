/** A local Fly for the providers, and what a test needs to look behind them. */
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

/** A local Fly for a suite. Construct it inside `describe`: it adds hooks. */
export class FlyFixture {
    fly!: LocalFly;
    api!: Api;
    wire!: Wire;
    #token: string | undefined;

    constructor(options: LocalFlyOptions = {}) {
        before(async () => {
            this.wire = new Wire();
            this.fly = await startLocalFly(options);
            this.api = new Api(this.fly);
            this.#token = process.env.FLY_API_TOKEN;
            // Where the providers look for it when the stack's config has none.
            process.env.FLY_API_TOKEN = this.fly.token;
        });
        afterEach(() => this.noFaults());
        after(() => this.#close());
    }

    get endpoint(): string {
        return this.fly.endpoint;
    }

    /** Fails when a request or an answer was not as Fly's document has it. */
    async #close(): Promise<void> {
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

    /** Deletes an app by hand, to the end. */
    async deleteApp(app: string): Promise<void> {
        await this.api.ok("DELETE", `/apps/${app}`);
        await until(
            `app ${app} is gone`,
            async () => (await this.api.call("GET", `/apps/${app}`)).status === 404,
        );
    }

    /** The requests that `work` makes, one line each: `POST /v1/apps 201`. */
    async requestsOf(work: () => Promise<unknown>): Promise<string[]> {
        await this.api.ok("DELETE", "/_local/journal");
        await work();
        const entries = await this.api.journal();
        return entries
            .filter(({ path }) => path.startsWith("/v1/"))
            .map(({ method, path, status }) => `${method} ${path.split("?")[0]} ${status}`);
    }
}

/** An app of its own for each test, deleted after it. */
export class AppFixture extends FlyFixture {
    app!: string;

    constructor(options?: LocalFlyOptions) {
        super(options);
        let count = 0;
        beforeEach(async () => {
            this.app = `app-${++count}`;
            await this.api.app(this.app);
        });
        // A test may have deleted it.
        afterEach(() => this.api.call("DELETE", `/apps/${this.app}?force=true`));
    }

    /** Inputs of whatever is in the app. */
    get place(): { endpoint: string; app: string } {
        return { endpoint: this.endpoint, app: this.app };
    }
}

/** A machine that answers on the port of its health check. */
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

/** The outputs, which every create and update here must bring. */
export function outsOf<T>(result: { outs?: T }): T {
    assert.ok(result.outs);
    return result.outs;
}

/** The error that `promise` must end with. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
    const error = await promise.then(
        () => assert.fail("did not fail"),
        (failure: unknown) => failure,
    );
    assert.ok(error instanceof Error, String(error));
    return error;
}
