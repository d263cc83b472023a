// What a program with the official TypeScript client does: node client.mjs URL TOKEN MODE
import { createRequire } from "node:module";

const { Client, StreamableHTTPClientTransport } = createRequire(`${process.env.BMM_NODE}/`)("@modelcontextprotocol/client");
const [url, token, mode] = process.argv.slice(2);

const client = new Client({ name: "bmm-test", version: "1" }, { versionNegotiation: { mode } });
const headers = { Authorization: `Bearer ${token}` };
await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
const tools = (await client.listTools()).tools.map((tool) => tool.name);
const resources = (await client.listResources()).resources.map((resource) => resource.uri);
const prompt = await client.getPrompt({ name: "test_prompt_with_arguments", arguments: { arg1: "a", arg2: "b" } });
const progress = [];
const called = await client.callTool({ name: "test_simple_text", arguments: {} });
await client.callTool({ name: "test_tool_with_progress", arguments: {} }, { onprogress: (one) => progress.push(one.progress) });
const version = client.getNegotiatedProtocolVersion();
await client.close();
console.log(JSON.stringify({ tools, resources, prompt: prompt.messages[0].content.text, called: called.content, progress, version }));
