/** A local Fly with the apps `mine`, whose deploy token is known, and `theirs`, which has a volume and a machine. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { request, type IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Fly } from "../../../dev/fly/fly.ts";
import { startLocalFly, type LocalFly } from "../../../dev/fly/index.ts";
import { reset } from "../../../dev/fly/reset.ts";
import { buildServer } from "../../../dev/fly/server.ts";
import { Api } from "../../../dev/harness/api.ts";
import { pushImage } from "../../../dev/harness/image.ts";

interface Answer {
    status: number;
    headers: IncomingHttpHeaders;
    text: string;
}

interface Asking {
    headers?: Record<string, string>;
    body?: string;
    /** Port to ask: the API's or the registry's. */
    port?: number;
}

/** The only route that needs no token. */
export const OPEN = "GET /v1/platform/regions";

export class AttackedFly {
    readonly dir = mkdtempSync(path.join(tmpdir(), "attacked-fly-"));
    fly!: LocalFly;
    api!: Api;
    /** All routes as `METHOD PATH`, from the server itself. */
    routes: string[] = [];
    image!: string;
    volume!: string;
    machine!: string;
    /** Deploy token of the app `mine`. */
    token!: string;

    constructor() {
        const umask = process.umask();
        before(async () => {
            process.umask(0o022);
            this.fly = await startLocalFly({ dir: this.dir });
            this.api = new Api(this.fly);
            for (const app of ["mine", "theirs"]) await this.api.app(app);
            const made = await this.api.ok<{ token: string }>(
                "POST",
                "/apps/mine/deploy_token",
                {},
            );
            this.token = made.token;
            this.image = await pushImage(this.fly, "theirs");
            const data = { name: "v", size_gb: 1 };
            const { id } = await this.api.ok<{ id: string }>("POST", "/apps/theirs/volumes", data);
            this.volume = id;
            this.machine = (await this.api.start("theirs", { image: this.image })).id;
            this.routes = await routesOf();
        });
        afterEach(async () => {
            const { state } = await this.api.machine("theirs", this.machine);
            assert.equal(state, "started");
        });
        after(async () => {
            process.umask(umask);
            await this.fly.close();
            await reset(this.dir);
            rmSync(this.dir, { recursive: true, force: true });
        });
    }

    get port(): number {
        return Number(new URL(this.fly.endpoint).port);
    }

    get registryPort(): number {
        return Number(this.fly.registry.split(":")[1]);
    }

    /** Sends a request as it is, also with a path that no client would send. */
    ask(method: string, to: string, asking: Asking = {}): Promise<Answer> {
        const { body = "", port = this.port } = asking;
        const length = body === "" ? {} : { "content-length": Buffer.byteLength(body) };
        return new Promise((resolve, reject) => {
            const headers = { ...asking.headers, ...length };
            const asked = request({ host: "127.0.0.1", port, method, path: to, headers });
            asked.on("error", reject);
            asked.on("response", (response) => {
                let text = "";
                response.on("data", (chunk: Buffer) => (text += chunk.toString()));
                response.on("end", () => {
                    resolve({ status: response.statusCode!, headers: response.headers, text });
                });
            });
            asked.end(body);
        });
    }

    /** Fills a route in with what the app `theirs` has. */
    filled(route: string): [method: string, path: string] {
        const [method, pattern] = route.split(" ") as [string, string];
        const { machine, volume } = this;
        const known: Record<string, string> = { app: "theirs", machine, volume, slug: "local" };
        return [method, pattern.replace(/:(\w+)/g, (_, name: string) => known[name] ?? "x")];
    }
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

export const basic = (token: string) => ({
    authorization: `Basic ${Buffer.from(`x:${token}`).toString("base64")}`,
});

/** A body for a request of this method, if it may have one. */
export const bodyOf = (method: string) => (["GET", "DELETE"].includes(method) ? "" : "{}");

async function routesOf(): Promise<string[]> {
    const routes: string[] = [];
    const server = buildServer({ store: { data: {} } } as unknown as Fly);
    server.addHook("onRoute", ({ method, url }) => {
        for (const one of [method].flat()) routes.push(`${one} ${url}`);
    });
    await server.ready();
    await server.close();
    return routes;
}
