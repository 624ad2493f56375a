/** A fake Docker daemon: it gives a test's answers and records requests. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { extract } from "tar-stream";

export const IMAGE_ID = `sha256:${"1".repeat(64)}`;
export const DIGEST = `sha256:${"d".repeat(64)}`;

export interface BuildRequest {
    query: URLSearchParams;
    headers: IncomingHttpHeaders;
    /** Files of the build context: name → content and "uid:gid". */
    files: Record<string, string>;
    owners: Set<string>;
}

export interface FakeDaemon {
    host: string;
    builds: BuildRequest[];
    pushes: { path: string; headers: IncomingHttpHeaders }[];
    /** Connections that BuildKit would call back on. */
    sessions: { headers: IncomingHttpHeaders; socket: Socket }[];
    /** Lines of the answers to the next builds and pushes. */
    buildLines: object[];
    pushLines: object[];
    /** Runs between a build's request and its answer. */
    whileBuilding: (() => Promise<void>) | undefined;
    close(): Promise<void>;
}

export async function startFakeDaemon(): Promise<FakeDaemon> {
    const folder = mkdtempSync(path.join(tmpdir(), "daemon-"));
    const socketPath = path.join(folder, "docker.sock");
    const daemon: FakeDaemon = {
        host: `unix://${socketPath}`,
        builds: [],
        pushes: [],
        sessions: [],
        buildLines: [{ stream: "Step 1/1 : FROM scratch\n" }, { aux: { ID: IMAGE_ID } }],
        pushLines: [
            { status: "The push refers to repository" },
            { status: "Pushing", progress: "[=>  ]", id: "layer" },
            { aux: { Tag: "latest", Digest: DIGEST, Size: 1 } },
        ],
        whileBuilding: undefined,
        async close() {
            server.closeAllConnections();
            for (const { socket } of daemon.sessions) socket.destroy();
            await new Promise((resolve) => server.close(resolve));
            rmSync(folder, { recursive: true });
        },
    };
    const server = createServer((request, response) => {
        const url = new URL(request.url!, "http://docker");
        const send = (lines: object[]) => {
            response.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
        };
        if (url.pathname === "/_ping") {
            response.setHeader("Api-Version", "1.41").end("OK");
        } else if (url.pathname === "/v1.41/build") {
            void readContext(request).then(async ({ files, owners }) => {
                const { headers } = request;
                daemon.builds.push({ query: url.searchParams, headers, files, owners });
                await daemon.whileBuilding?.();
                send(daemon.buildLines);
            });
        } else if (url.pathname.endsWith("/push")) {
            daemon.pushes.push({
                path: url.pathname + url.search,
                headers: request.headers,
            });
            send(daemon.pushLines);
        } else if (url.pathname === `/v1.41/images/${IMAGE_ID}/json`) {
            send([{ Id: IMAGE_ID }]);
        } else {
            response.writeHead(404);
            send([{ message: `page not found: ${url.pathname}` }]);
        }
    });
    server.on("upgrade", (request: IncomingMessage, socket: Socket) => {
        daemon.sessions.push({ headers: request.headers, socket });
        socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
        for (const event of ["end", "error"]) socket.on(event, () => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    return daemon;
}

async function readContext(request: IncomingMessage) {
    const files: Record<string, string> = {};
    const owners = new Set<string>();
    for await (const entry of request.pipe(extract())) {
        const { name, type, uid, gid, uname } = entry.header;
        owners.add(`${uid}:${gid}:${uname ?? ""}`);
        const chunks: Buffer[] = [];
        for await (const chunk of entry) chunks.push(chunk as Buffer);
        if (type === "file") files[name] = Buffer.concat(chunks).toString();
    }
    return { files, owners };
}
