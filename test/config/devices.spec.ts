import { refuses } from "./support/problems.ts";

const OF_2_0 = "eclipse-mosquitto:2.0.22";

describe("settings of clients' certificates", () => {
    refuses([
        [{ clientCertificates: "yes" }, /^clientCertificates: must be off, optional or required/],
        [{ clientCertificates: "optional" }, /^devices: must name at least one user, since client/],
        [{ devices: JSON.stringify(["tester"]) }, /^devices: .* but clientCertificates is off$/],
        [
            { clientCertificates: "optional", devices: JSON.stringify(["tester", "pump"]) },
            /^devices: pump is not in users; add it there with what it may do$/,
        ],
        [
            {
                users: JSON.stringify([
                    { name: "tester", everything: true },
                    { name: "pump", read: ["a"] },
                ]),
                clientCertificates: "required",
                devices: JSON.stringify(["pump"]),
            },
            /^devices: must name all users, .*; missing: tester$/,
        ],
        [
            {
                clientCertificates: "optional",
                devices: JSON.stringify(["tester"]),
                clientCertificatePort: "10000",
            },
            /^clientCertificatePort: must differ from port; both are 10000$/,
        ],
        [
            { clientCertificatePort: "10001" },
            /^clientCertificatePort: has a use only with clientCertificates: optional; that is off; it is 10001$/,
        ],
        [
            {
                clientCertificates: "required",
                devices: JSON.stringify(["tester"]),
                clientCertificatePort: "8883",
            },
            /^clientCertificatePort: has a use only .*; that is required, so all clients use port; it is 8883$/,
        ],
        [
            {
                clientCertificates: "optional",
                devices: JSON.stringify(["tester"]),
                port: "10001",
            },
            /^clientCertificatePort: must differ from port; both are 10001$/,
        ],
        [
            {
                ...{ clientCertificates: "optional", devices: JSON.stringify(["tester"]) },
                ...{ clientCertificatePort: "8443", webSockets: "broker", baseImage: OF_2_0 },
            },
            /^clientCertificatePort: must differ from webSocketsPort; both are 8443$/,
        ],
        [
            {
                clientCertificates: "required",
                devices: JSON.stringify(["tester"]),
                passwords: JSON.stringify({ tester: "long enough" }),
            },
            /^passwords\.tester: is set for a user that logs in with a certificate$/,
        ],
        [
            {
                clientCertificates: "optional",
                devices: JSON.stringify(["tester"]),
                tls: "edge",
            },
            /^clientCertificates: is optional, which needs tls: broker; Fly's edge requests none$/,
        ],
        [
            {
                clientCertificates: "required",
                devices: JSON.stringify(["tester"]),
                webSockets: "broker",
                baseImage: OF_2_0,
            },
            /^webSockets: must be off with clientCertificates: required/,
        ],
    ]);
});
