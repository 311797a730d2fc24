mod access;
mod architecture;
mod cli;
mod config;
mod contracts;
mod packaging;
mod scripted_server;
