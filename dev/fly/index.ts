import { mkdtempSync } from "node:fs";
import type { AddressInfo } from "node:net";
import type { Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deleteApp } from "./api/apps.ts";
import { callerOf } from "./auth.ts";
import { Faults } from "./faults.ts";
import type { Fly } from "./fly.ts";
import { instanceOf } from "./instance.ts";
import { Journal } from "./journal.ts";
import { RateLimits } from "./limits.ts";
import { own } from "./model/own.ts";
import type { LocalState } from "./model/records.ts";
import { portHolder } from "./portHolder.ts";
import { PublicCa } from "./publicCa.ts";
import { Replicas } from "./replicas.ts";
import { reset } from "./reset.ts";
import { Checks } from "./runtime/checks.ts";
import { Containers } from "./runtime/containers.ts";
import { connectDocker } from "./runtime/docker.ts";
import { Edge } from "./runtime/edge.ts";
import { Images } from "./runtime/images.ts";
import { Logs } from "./runtime/logs.ts";
import { Machines } from "./runtime/machines.ts";
import { Monitor } from "./runtime/monitor.ts";
import { registryFront } from "./runtime/registryFront.ts";
import type { FrontDecision } from "./runtime/registryFront.ts";
import { Registry } from "./runtime/registry.ts";
import { openVolumes } from "./runtime/openVolumes.ts";
import type { VolumeStore } from "./runtime/volumes.ts";
import { buildServer } from "./server.ts";
import { changeSettings, DEFAULT_SETTINGS } from "./settings.ts";
import type { Settings } from "./settings.ts";
import { OWN_ORGANIZATION, Store } from "./state.ts";

export interface LocalFlyOptions {
    /**
     * Directory of the instance.
     * @default a new one, which `close()` removes
     */
    dir?: string;
    /**
     * The API's port on 127.0.0.1.
     * @default any free one, as for 0
     */
    port?: number;
    /**
     * The registry's port on 127.0.0.1.
     * @default any free one, as for 0
     */
    registryPort?: number;
    /**
     * The access token.
     * @default the instance's own, made at its first start
     */
    token?: string;
    settings?: Partial<Settings>;
    /** Store for volumes; `auto` uses loop devices if possible. */
    volumes?: VolumeStore["kind"] | "auto";
}

export interface LocalFly {
    /** URL without `/v1`, such as `http://127.0.0.1:4280`. */
    endpoint: string;
    /** `host:port` for image names; log in as user `x` with the token as password. */
    registry: string;
    token: string;
    /** PEM file of the CA that signs the edge's certificates, for clients to trust. */
    publicCaFile: string;
    dir: string;
    registryPid: number | undefined;
    /** Stops servers and containers. Keeps state and volumes, unless the directory was new. */
    close(): Promise<void>;
}

/**
 * Listens on a port.
 * @throws Error that names the port if it is taken
 */
async function listen(server: Server, port: number, what: string): Promise<number> {
    await new Promise<void>((resolve, reject) => {
        server.once("error", (error: NodeJS.ErrnoException) => {
            reject(
                error.code === "EADDRINUSE"
                    ? new Error(
                          `port ${port} for the ${what} is taken by ` +
                              (portHolder("127.0.0.1", port) ?? "another program"),
                      )
                    : error,
            );
        });
        server.listen({ host: "127.0.0.1", port }, resolve);
    });
    return (server.address() as AddressInfo).port;
}

/** Refuses access to an app's repository, except to the app's organisation and its deploy token. */
function refuseRepository(
    state: LocalState,
    app: string,
    token: string,
): FrontDecision | undefined {
    if (app === "") return undefined;
    const found = own(state.apps, app);
    if (found === undefined) {
        return { status: 404, code: "NAME_UNKNOWN", message: "app repository not found" };
    }
    const caller = callerOf(state, token);
    const other = caller?.app !== undefined && caller.app !== app;
    if (found.organization !== OWN_ORGANIZATION.slug || other) {
        const message = "requested access to the resource is denied";
        return { status: 403, code: "DENIED", message };
    }
    return undefined;
}

/**
 * Starts the local Fly.
 * @throws Error when Docker, the registry or a port is unavailable
 */
export async function startLocalFly(options: LocalFlyOptions = {}): Promise<LocalFly> {
    const own = options.dir === undefined;
    const { dir, instance } = instanceOf(options.dir ?? mkdtempSync(join(tmpdir(), "local-fly-")));
    const settings: Settings = { ...DEFAULT_SETTINGS };
    changeSettings(settings, { ...options.settings });
    const docker = await connectDocker();
    const store = new Store(dir, options.token);
    const { data } = store;
    const journal = new Journal(dir);
    const log = (text: string) => journal.note(text);
    const registry = new Registry(dir, instance);
    const undo: (() => Promise<unknown> | void)[] = [
        () => journal.close(),
        () => store.close(),
        () => registry.close(),
    ];
    const close = async () => {
        for (const step of undo.splice(0).reverse()) await step();
        if (own) await reset(dir);
    };
    try {
        const front = registryFront(registry.socket, {
            isToken: (token) => token !== undefined && callerOf(data, token) !== undefined,
            refuse: (app, token) => refuseRepository(data, app, token),
            log: (method, path, status) => log(`registry ${method} ${path} ${status}`),
        });
        const registryPort = await listen(front, options.registryPort ?? 0, "registry");
        undo.push(() => {
            front.close();
            front.closeAllConnections();
        });
        await registry.start();
        const host = `127.0.0.1:${registryPort}`;
        if (!data.registryHosts.includes(host)) data.registryHosts.push(host);

        // The choice is kept, since existing volumes are of that kind.
        const kind = data.volumeKind ?? options.volumes ?? "auto";
        const volumes = await openVolumes(kind, docker, dir, instance);
        data.volumeKind = volumes.kind;
        undo.push(() => volumes.close());
        const logs = new Logs(docker);
        const containers = new Containers(docker, instance, volumes, logs);
        const images = new Images(
            docker,
            registry.socket,
            host,
            data.registryHosts,
            () => data.token,
        );
        const checks = new Checks(() => void store.save());
        const machines: Machines = new Machines(store, settings, containers, images, {
            changed: () => edge.sync(),
            started: (machine, address) => checks.start(machine, address),
            ending: (machine) => checks.stop(machine),
            ended: (machine) => edge.drop(machine.id),
            log,
        });
        const ca = new PublicCa(dir);
        undo.push(() => ca.close());
        // Processes read their CA file once, at start, so a lasting instance must have it complete.
        if (!own) await ca.certificate();
        const edge = new Edge(store, ca, {
            address: (machine) => machines.address(machine),
            autostart: (machine) => machines.start(machine, "proxy"),
            log,
        });
        const fly: Fly = {
            store,
            settings,
            faults: new Faults(),
            limits: new RateLimits(),
            replicas: new Replicas(),
            journal,
            machines,
            containers,
            images,
            logs,
            volumes,
            edge,
            instance,
        };
        const monitor = new Monitor(
            docker,
            instance,
            (machine, container) => machines.exited(machine, container),
            () => machines.recheck(),
        );
        undo.push(
            () => machines.close(),
            () => checks.close(),
            () => edge.close(),
            () => monitor.close(),
        );
        await monitor.start();
        await machines.recover();
        edge.sync();
        for (const app of Object.values(data.apps)) if (app.deleting) deleteApp(fly, app);

        const server = buildServer(fly);
        undo.push(() => server.close());
        await server.ready();
        const port = await listen(server.server, options.port ?? 0, "Machines API");
        await store.save();
        return {
            endpoint: `http://127.0.0.1:${port}`,
            registry: host,
            token: data.token,
            publicCaFile: ca.file,
            dir,
            registryPid: registry.pid,
            close,
        };
    } catch (error) {
        await close();
        throw error;
    }
}
