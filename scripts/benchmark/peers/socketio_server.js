// socket.io with its Redis adapter: a room for everybody, one for each user.
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";

const redis = new Redis(process.env.REDIS_URL);
const http = createServer();
const server = new Server(http, { adapter: createAdapter(redis, redis.duplicate()), transports: ["websocket"] });

server.on("connection", (socket) => {
  socket.join(["room", `user.${socket.handshake.query.user}`]);
  socket.on("mutate", (question) => socket.emit("answer", { type: "error", mid: question.mid }));
});
http.listen(Number(process.argv[2]), "127.0.0.1");
