import assert from "node:assert/strict";
import type { LocalFly } from "../fly/index.ts";
import type { JournalEntry } from "../fly/journal.ts";

export interface Answer<T = unknown> {
    status: number;
    headers: Headers;
    body: T;
    text: string;
}

export interface MachineView {
    id: string;
    name: string;
    state: string;
    instance_id: string;
    version: string;
    region: string;
    nonce?: string;
    cordoned: boolean;
    private_ip: string;
    image_ref: Record<string, unknown>;
    config: Record<string, unknown> & { metadata?: Record<string, string> };
    events: {
        id: string;
        type: string;
        status: string;
        source: string;
        request?: { exit_event?: Record<string, unknown>; restart_count?: number; error?: string };
    }[];
    checks: { name: string; status: string; output: string }[];
}

/** Calls a local Fly with plain fetch. */
export class Api {
    readonly fly: LocalFly;
    /** Called with every answer; the OpenAPI tests check them here. */
    static observe: ((method: string, path: string, answer: Answer) => void) | undefined;

    constructor(fly: LocalFly) {
        this.fly = fly;
    }

    async call<T = Record<string, unknown>>(
        method: string,
        path: string,
        body?: unknown,
        headers: Record<string, string> = {},
    ): Promise<Answer<T>> {
        const prefix = path.startsWith("/_local") ? "" : "/v1";
        const response = await fetch(`${this.fly.endpoint}${prefix}${path}`, {
            method,
            headers: {
                authorization: `Bearer ${this.fly.token}`,
                ...(body === undefined ? {} : { "content-type": "application/json" }),
                ...headers,
            },
            ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        const text = await response.text();
        const isJson = response.headers.get("content-type")?.includes("json") ?? false;
        const parsed = (isJson && text !== "" ? JSON.parse(text) : undefined) as T;
        const answer = { status: response.status, headers: response.headers, body: parsed, text };
        Api.observe?.(method, path, answer);
        return answer;
    }

    /** Makes a call that must succeed and returns its body. */
    async ok<T = Record<string, unknown>>(
        method: string,
        path: string,
        body?: unknown,
        headers?: Record<string, string>,
    ): Promise<T> {
        const answer = await this.call<T>(method, path, body, headers);
        assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
        return answer.body;
    }

    /** Makes a call that must be refused with this status and exactly this error. */
    async refused(
        status: number,
        error: string | RegExp,
        method: string,
        path: string,
        body?: unknown,
        headers?: Record<string, string>,
    ): Promise<Answer<{ error: string; status?: string }>> {
        const answer = await this.call<{ error: string; status?: string }>(
            method,
            path,
            body,
            headers,
        );
        assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
        if (typeof error === "string") assert.equal(answer.body.error, error);
        else assert.match(answer.body.error, error);
        return answer;
    }

    async app(name: string): Promise<void> {
        await this.ok("POST", "/apps", { name, org_slug: "personal" });
    }

    async machine(app: string, id: string): Promise<MachineView> {
        return this.ok<MachineView>("GET", `/apps/${app}/machines/${id}`);
    }

    /** Creates a machine and waits until it is started. */
    async start(
        app: string,
        config: Record<string, unknown>,
        more: Record<string, unknown> = {},
    ): Promise<MachineView> {
        const body = { ...more, config };
        const made = await this.ok<MachineView>("POST", `/apps/${app}/machines`, body);
        await this.wait(app, made.id, "started");
        return this.machine(app, made.id);
    }

    async wait(app: string, id: string, state: string, version?: string): Promise<void> {
        const about = version === undefined ? "" : `&instance_id=${version}`;
        await this.ok("GET", `/apps/${app}/machines/${id}/wait?state=${state}&timeout=30${about}`);
    }

    /** Requests that the server has answered, the oldest first. @param since number of the last one to leave out */
    async journal(since = 0): Promise<JournalEntry[]> {
        const path = `/_local/journal?since=${since}`;
        return (await this.ok<{ entries: JournalEntry[] }>("GET", path)).entries;
    }

    /** Stops a machine and waits until it is stopped. */
    async stop(app: string, machine: MachineView): Promise<void> {
        await this.ok("POST", `/apps/${app}/machines/${machine.id}/stop`, {});
        await this.wait(app, machine.id, "stopped", machine.instance_id);
    }

    async destroy(app: string, id: string): Promise<void> {
        await this.ok("DELETE", `/apps/${app}/machines/${id}?force=true`);
        await this.wait(app, id, "destroyed");
    }

    /** Runs a shell command inside a machine; it must succeed. */
    async shell(app: string, id: string, command: string): Promise<string> {
        const done = await this.ok<{ exit_code: number; stdout: string; stderr: string }>(
            "POST",
            `/apps/${app}/machines/${id}/exec`,
            { command: ["/bin/sh", "-c", command] },
        );
        assert.equal(done.exit_code, 0, `${command}: ${done.stderr}`);
        return done.stdout.trim();
    }
}
