package hallpass;

import com.alibaba.nacos.NacosServerBasicApplication;
import com.alibaba.nacos.NacosServerWebApplication;
import com.alibaba.nacos.core.listener.startup.NacosStartUp;
import com.alibaba.nacos.core.listener.startup.NacosStartUpManager;
import com.alibaba.nacos.sys.env.DeploymentType;
import com.alibaba.nacos.sys.env.EnvUtil;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.builder.SpringApplicationBuilder;

/** A Nacos server of one node without its console, started as Nacos itself does it. It ends when its standard input does. */
public class Nacos {
    public static void main(String[] arguments) throws SQLException {
        var watch = new Thread(Nacos::endWithTheTests);
        watch.setDaemon(true);
        watch.start();
        makeDatabase();
        System.setProperty("nacos.standalone", "true");
        EnvUtil.setDeploymentType(DeploymentType.SERVER);
        NacosStartUpManager.start(NacosStartUp.CORE_START_UP_PHASE);
        var core = new SpringApplicationBuilder(NacosServerBasicApplication.class)
            .web(WebApplicationType.NONE).run(arguments);
        NacosStartUpManager.start(NacosStartUp.WEB_START_UP_PHASE);
        new SpringApplicationBuilder(NacosServerWebApplication.class).parent(core).run(arguments);
    }

    /** Nacos gives its database ten seconds to be made, which is too little on a busy machine; one that is there it takes. */
    private static void makeDatabase() throws SQLException {
        var place = Path.of(EnvUtil.getNacosHome(), "data", "derby-data");
        DriverManager.getConnection("jdbc:derby:" + place + ";create=true", "nacos", "nacos").close();
    }

    private static void endWithTheTests() {
        try {
            while (System.in.read() >= 0) { }
        } catch (IOException gone) {
            // As good as the end.
        }
        Runtime.getRuntime().halt(0);
    }
}
