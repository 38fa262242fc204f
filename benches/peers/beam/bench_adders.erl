%% The dynamic supervisor: OTP's simple_one_for_one, with temporary children.
-module(bench_adders).
-behaviour(supervisor).
-export([start_link/0, init/1]).

start_link() -> supervisor:start_link(?MODULE, []).

init([]) ->
    Child = #{id => adder, start => {bench_adder, start_link, []}, restart => temporary},
    {ok, {#{strategy => simple_one_for_one}, [Child]}}.
