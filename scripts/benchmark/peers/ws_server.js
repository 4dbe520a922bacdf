// ws with ioredis: one channel for everybody, one for each user.
import { WebSocketServer } from "ws";
import { Redis } from "ioredis";

const redis = new Redis(process.env.REDIS_URL);
const everybody = new Set();
const users = new Map();
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), perMessageDeflate: false });

redis.subscribe("room");
redis.on("message", (channel, text) => {
  for (const socket of channel === "room" ? everybody : users.get(channel) ?? []) socket.send(text);
});

server.on("connection", (socket, request) => {
  const channel = `user.${new URL(request.url, "http://localhost").searchParams.get("user")}`;
  everybody.add(socket);
  const sockets = users.get(channel) ?? new Set();
  sockets.add(socket);
  users.set(channel, sockets);
  socket.on("message", (data) => {
    const question = JSON.parse(data.toString());
    socket.send(JSON.stringify({ type: "error", mid: question.mid }));
  });
  socket.on("close", () => {
    everybody.delete(socket);
    sockets.delete(socket);
    if (!sockets.size) {
      users.delete(channel);
      redis.unsubscribe(channel);
    }
  });
  redis.subscribe(channel).then(() => socket.send('{"type":"welcome"}'));
});
