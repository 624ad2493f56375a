// core
/** Tests build and push of the replacement for the docker plugin against the official one's behaviour. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import type { Socket } from "node:net";
import path from "node:path";
import { IMAGE, PASSWORD, useDocker } from "./support/docker.ts";
import { DIGEST, IMAGE_ID } from "./support/fakeDaemon.ts";
import { isSecret, UNKNOWN } from "./support/provider.ts";

describe("docker image", () => {
    const { plugin, daemon, folder, write, INPUTS, withBuild, checked } = useDocker();

    it("has the official plugin's outputs, with the registry's digest", async () => {
        const { id, properties } = await plugin.create(IMAGE, await checked());
        const { __inputs: kept, ...outputs } = properties;
        assert.equal(id, "127.0.0.1:5999/app/web:v1");
        assert.deepEqual(outputs, {
            baseImageName: "127.0.0.1:5999/app/web:v1",
            context: "app",
            dockerfile: "Dockerfile",
            imageName: "127.0.0.1:5999/app/web:v1",
            platform: "linux/amd64",
            registryServer: "127.0.0.1:5999",
            repoDigest: `127.0.0.1:5999/app/web@${DIGEST}`,
        });
        assert.ok(isSecret(kept));
        assert.equal(daemon.pushes[0]!.path, "/v1.41/images/127.0.0.1:5999/app/web/push?tag=v1");
    });

    it("sends the context's files as owned by root, without ignored ones", async () => {
        write("app/.dockerignore", "*\n!a\n");
        write("app/secret", "s");
        await plugin.create(IMAGE, await checked());
        const [build] = daemon.builds;
        assert.deepEqual(Object.keys(build!.files).sort(), [".dockerignore", "Dockerfile", "a"]);
        assert.deepEqual([...build!.owners], ["0:0:"]);
        rmSync(path.join(folder, "app", "secret"));
    });

    it("sends a Dockerfile from outside of the context", async () => {
        write("Other.Dockerfile", "FROM scratch\n");
        const inputs = withBuild({ dockerfile: "Other.Dockerfile" });
        const { properties } = await plugin.create(IMAGE, await checked(inputs));
        const { query, files } = daemon.builds[0]!;
        assert.match(query.get("dockerfile")!, /^\.dockerfile\./);
        assert.equal(files[query.get("dockerfile")!], "FROM scratch\n");
        assert.equal(properties["dockerfile"], "../Other.Dockerfile");
    });

    it("passes the build options on", async () => {
        const inputs = withBuild({
            args: { BASE: "debian" },
            target: "final",
            network: "host",
            addHosts: ["a:127.0.0.1"],
            builderVersion: "BuilderV1",
        });
        await plugin.create(IMAGE, await checked(inputs));
        const query = Object.fromEntries(daemon.builds[0]!.query);
        assert.equal(query["t"], "127.0.0.1:5999/app/web:v1");
        assert.equal(query["platform"], "linux/amd64");
        assert.equal(query["buildargs"], '{"BASE":"debian"}');
        assert.equal(query["target"], "final");
        assert.equal(query["networkmode"], "host");
        assert.equal(query["extrahosts"], "a:127.0.0.1");
        assert.equal(query["version"], "1");
        assert.ok(!("session" in query));
    });

    it("uses BuildKit by default, and answers its request for credentials", async () => {
        let answer: Buffer | undefined;
        daemon.whileBuilding = async () => {
            answer = await askCredentials(daemon.sessions.at(-1)!.socket, "127.0.0.1:5999");
        };
        await plugin.create(IMAGE, await checked());
        daemon.whileBuilding = undefined;
        const query = daemon.builds[0]!.query;
        assert.equal(query.get("version"), "2");
        const { headers } = daemon.sessions.at(-1)!;
        assert.equal(query.get("session"), headers["x-docker-expose-session-uuid"]);
        // CredentialsResponse{username = 1, secret = 2}
        const response = Buffer.concat([
            Buffer.from([0x0a, 1]),
            Buffer.from("x"),
            Buffer.from([0x12, PASSWORD.length]),
            Buffer.from(PASSWORD),
        ]);
        assert.deepEqual(answer?.subarray(5), response);
    });

    it("shows progress as the resource's status and never the password", async () => {
        await plugin.create(IMAGE, await checked());
        const shown = plugin.log.map((line) => line.message);
        assert.deepEqual(shown, [
            "Starting Docker build",
            "Step 1/1 : FROM scratch",
            `Built image with ID ${IMAGE_ID}`,
            `Image built successfully, local id "${IMAGE_ID}"`,
            "Pushing Image to the registry",
            "The push refers to repository",
            "Pushing [=>  ]",
            `Pushed image with digest ${DIGEST}`,
        ]);
        assert.ok(plugin.log.every((line) => line.ephemeral && line.urn === IMAGE));
        assert.ok(!JSON.stringify(plugin.log).includes(PASSWORD));
    });

    it("passes credentials to the daemon only in headers", async () => {
        await plugin.create(IMAGE, await checked());
        const decode = (header: string | string[] | undefined) =>
            JSON.parse(Buffer.from(header as string, "base64url").toString()) as unknown;
        const own = { username: "x", password: PASSWORD, serveraddress: "127.0.0.1:5999" };
        assert.deepEqual(decode(daemon.pushes[0]!.headers["x-registry-auth"]), own);
        assert.deepEqual(decode(daemon.builds[0]!.headers["x-registry-config"]), {
            "127.0.0.1:5999": own,
        });
        assert.ok(!daemon.builds[0]!.query.toString().includes(PASSWORD));
        const commandLine = readFileSync(`/proc/${plugin.process.pid}/cmdline`, "utf8");
        assert.ok(!commandLine.includes(PASSWORD));
    });

    it("falls back on the user's own login, with a warning when only half of one is given", async () => {
        mkdirSync(path.join(folder, "home", ".docker"), { recursive: true });
        const auth = Buffer.from("me:mine").toString("base64");
        write(
            "home/.docker/config.json",
            JSON.stringify({ auths: { "127.0.0.1:5999": { auth } } }),
        );
        const half = { server: "127.0.0.1:5999", username: "x" };
        await plugin.create(IMAGE, await checked({ ...INPUTS, registry: half }));
        const sent = daemon.pushes[0]!.headers["x-registry-auth"] as string;
        assert.match(
            Buffer.from(sent, "base64url").toString(),
            /"username":"me","password":"mine"/,
        );
        assert.equal(
            plugin.log.find((line) => line.severity === 2)?.message,
            "password was not set, although username was; using host credentials file",
        );
        rmSync(path.join(folder, "home", ".docker"), { recursive: true });
    });

    it("stays local with skipPush: the digest is the image's ID", async () => {
        const news = await checked({ ...INPUTS, skipPush: true });
        const { properties } = await plugin.create(IMAGE, news);
        assert.equal(properties["repoDigest"], IMAGE_ID);
        assert.deepEqual(daemon.pushes, []);
    });

    it("only builds in a preview that asks for it", async () => {
        const { properties } = await plugin.create(IMAGE, await checked(), true);
        assert.ok(!("repoDigest" in properties));
        assert.deepEqual(daemon.builds, []);
        const asked = await checked({ ...INPUTS, buildOnPreview: true });
        await plugin.create(IMAGE, asked, true);
        assert.equal(daemon.builds.length, 1);
        assert.deepEqual(daemon.pushes, []);
        const unknown = await checked({ ...asked, imageName: UNKNOWN });
        await plugin.create(IMAGE, unknown, true);
        assert.match(plugin.log.at(-1)!.message, /^Minimum inputs for build are unresolved/);
    });
});

/** Asks for a registry's credentials over a session's connection, as BuildKit does. */
async function askCredentials(socket: Socket, host: string): Promise<Buffer> {
    const client = connectHttp2("http://plugin", { createConnection: () => socket });
    try {
        const request = client.request({
            ":method": "POST",
            ":path": "/moby.filesync.v1.Auth/Credentials",
            "content-type": "application/grpc",
            te: "trailers",
        });
        // CredentialsRequest{host = 1} behind gRPC's five bytes of framing.
        const message = Buffer.concat([Buffer.from([0x0a, host.length]), Buffer.from(host)]);
        const frame = Buffer.alloc(5);
        frame.writeUInt32BE(message.length, 1);
        request.end(Buffer.concat([frame, message]));
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        return Buffer.concat(chunks);
    } finally {
        client.close();
    }
}
